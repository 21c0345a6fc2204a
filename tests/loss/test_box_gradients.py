"""Darknet's box gradients, by hand and against its own numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from keras import ops

from zoo.loss.box_gradients import BOX_GRADIENTS


def gradient(kind, predicted, truth) -> np.ndarray:
    predicted, truth = (
        ops.convert_to_tensor(np.asarray(box, "float32")) for box in (predicted, truth)
    )
    return ops.convert_to_numpy(BOX_GRADIENTS[kind](predicted, truth))


def test_iou_gradient_by_hand():
    # 2×2 boxes, one apart: I = 2, U = 6. Moving the right side by ε adds 2ε to I alone, (6·2)/36;
    # moving the left adds 2ε to U alone, (2·2)/36; top and bottom change U by ±2ε.
    right, left, top, bottom = 12 / 36, 4 / 36, 4 / 36, -4 / 36
    expected = [left + right, top + bottom, right - left, bottom - top]
    np.testing.assert_allclose(gradient("iou", [0, 0, 2, 2], [1, 0, 2, 2]), expected, atol=1e-6)


def test_boxes_apart_count_their_gap_as_union():
    # Unit boxes 3 apart in x: the product of the sides is -2·1, so U = 2 + 2 = 4, all of the
    # enclosing 4×1. Left: (4·(-1) − 4·(-1))/16; right: U and C stay; top, bottom: U by ∓1.
    left, right, top, bottom = 0, 0, -4 / 16, 4 / 16
    expected = [left + right, top + bottom, right - left, bottom - top]
    np.testing.assert_allclose(gradient("giou", [0, 0, 1, 1], [3, 0, 1, 1]), expected, atol=1e-6)


def test_ciou_widens_a_narrow_box():
    # Same centre and area, aspects 1/4 and 1: the aspect term acts on w, h in opposite directions.
    extra = gradient("ciou", [0, 0, 1, 4], [0, 0, 2, 2]) - gradient(
        "diou", [0, 0, 1, 4], [0, 0, 2, 2]
    )
    angle = np.arctan(1) - np.arctan(1 / 4)
    v = 4 / np.pi**2 * angle**2
    slope = v / (1 - 2 / 6 + v) * 8 / np.pi**2 * angle
    np.testing.assert_allclose(extra, [0, 0, slope * 4, -slope * 1], rtol=1e-4)


@pytest.mark.parametrize("column, kind", list(enumerate(["iou", "giou", "diou", "ciou"])))
def test_gradient_equals_darknet(oracle_dir: Path, column, kind):
    with np.load(oracle_dir / "boxes/pairs.npz") as pairs:
        kept = pairs["grad_comparable"][:, column]
        assert kept.sum() >= 1700
        expected = pairs[f"grad_{kind}"][kept]
        found = gradient(kind, pairs["pred"][kept], pairs["truth"][kept])
    error = np.abs(found - expected) / np.maximum(1, np.abs(expected))
    assert error.max() <= 5e-4
