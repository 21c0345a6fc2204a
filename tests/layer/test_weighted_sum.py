import pytest

from zoo.errors import ZooError
from zoo.layer.weighted_sum import WeightedSum


def test_an_unknown_normalization_is_answered_with_the_nearest():
    with pytest.raises(ZooError, match=r"^no normalization 'sofmax' .*; did you mean softmax"):
        WeightedSum(normalization="sofmax")
