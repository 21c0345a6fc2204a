import re

import pytest

from zoo.errors import ZooError
from zoo.ops.levels import coarsest_first, per_level, stride


@pytest.mark.parametrize(
    ("level", "pixels"),
    [("P3", 8), ("P5", 32), pytest.param("P5_2", 32, id="a second level of that stride")],
)
def test_stride(level, pixels):
    assert stride(level) == pixels


@pytest.mark.parametrize("level", ["C3", "P", "P5x", "p5"])
def test_other_names_are_no_levels(level):
    with pytest.raises(ZooError, match=rf"no level '{level}'"):
        stride(level)


def test_levels_are_sorted_by_stride():
    assert coarsest_first(["P3", "P10", "P9"]) == ["P10", "P9", "P3"]


def test_one_for_all_or_one_for_each():
    levels = {"P4": [0], "P5": [1]}
    assert per_level("x", 2, levels) == {"P4": 2, "P5": 2}
    assert per_level("x", {"P5": 1, "P4": 3}, levels) == {"P4": 3, "P5": 1}


@pytest.mark.parametrize("given", [["P3"], ["P4"], ["P3", "P4", "P5"]])
def test_a_mapping_has_the_levels_of_the_head(given):
    message = f"x has levels {given}, the head has ['P4', 'P5']"
    with pytest.raises(ZooError, match=f"^{re.escape(message)}$"):
        per_level("x", dict.fromkeys(given, 1), {"P4": [0], "P5": [1]})
