"""The largest of many values, found in groups."""

import numpy as np
import pytest
from keras import ops

from zoo.nms.candidates import GROUP, top_k, top_of_many


@pytest.mark.parametrize("n", [100 * GROUP, 100 * GROUP + 1, 101 * GROUP - 1])
@pytest.mark.parametrize("levels", [1, 7, 1000])
def test_the_largest_of_many_of_equals_the_first(n, levels):
    values = np.random.default_rng(n).integers(0, levels + 1, (3, n))
    values = np.float32(values / levels)
    values[2, :-5] = 0  # of which only the last, incomplete group has some
    found, index = top_of_many(ops.convert_to_tensor(values), 40)
    want = np.argsort(-values, axis=1, kind="stable")[:, :40]
    np.testing.assert_array_equal(ops.convert_to_numpy(index), want)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(found), np.take_along_axis(values, want, axis=1)
    )


def test_groups_are_ranked_and_not_all_values(monkeypatch):
    ranked = []
    monkeypatch.setattr(
        "zoo.nms.candidates.top_k", lambda x, k: ranked.append(x.shape[-1]) or top_k(x, k)
    )
    top_of_many(ops.zeros((1, 100 * GROUP)), 40)
    assert ranked == [100, 40 * GROUP]
    ranked.clear()
    top_of_many(ops.zeros((1, 80 * GROUP - 1)), 40)
    assert ranked == [80 * GROUP - 1]
