"""Which slots a truth trains, redone by hand on a 4×2 grid."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from zoo.loss.assignment import assign, relative

SIZE = ops.convert_to_tensor(np.array([128, 64], "float32"))  # width, height; stride 32
ANCHORS = np.array([[10, 10], [20, 20], [40, 40]], "float32") / [128, 64]
MASK = [1, 2]


def slots(boxes, classes, *, iou_threshold=1.0) -> set[int]:
    truth = {"boxes": np.asarray(boxes, "float32"), "classes": np.asarray(classes, "int32")}
    anchors = ops.convert_to_tensor(ANCHORS.astype("float32"))
    pairs = assign(relative(truth, SIZE, 3), anchors, MASK, (2, 4), iou_threshold=iou_threshold)
    slot, chosen = (ops.convert_to_numpy(tensor) for tensor in pairs)
    return set(slot[chosen].tolist())


def box(x, y, side):
    return [x - side / 2, y - side / 2, x + side / 2, y + side / 2]


# Slot = ((image · 2 + row) · 4 + column) · 2 + anchor.
@pytest.mark.parametrize(
    "truth, expected",
    [
        pytest.param(box(16, 16, 20), {0}, id="anchor 1, first cell"),
        pytest.param(box(16, 16, 39), {1}, id="anchor 2, first cell"),
        pytest.param(box(70, 40, 21), {((0 + 1) * 4 + 2) * 2}, id="row 1, column 2"),
        pytest.param(box(16, 16, 9), set(), id="best anchor belongs to another level"),
        pytest.param(box(32, 16, 20), {2}, id="centre on a cell's edge counts to the right"),
        pytest.param([128, 64, 128, 64], set(), id="no size: anchor 0, not of this level"),
        pytest.param([108, 44, 148, 84], {(4 + 3) * 2 + 1}, id="centre on the far corner"),
        pytest.param(box(-40, 48, 20), {(4 + 0) * 2}, id="centre left of the image"),
    ],
)
def test_best_anchor_in_the_cell_of_the_centre(truth, expected):
    assert slots([[truth]], [[0]]) == expected


def test_images_follow_each_other():
    boxes = [[box(16, 16, 20)], [box(16, 16, 20)]]
    assert slots(boxes, [[0], [2]]) == {0, 16}


@pytest.mark.parametrize("label", [-1, 3], ids=["padding", "a class the head does not have"])
def test_other_rows_train_nothing(label):
    assert slots([[box(16, 16, 20), box(80, 16, 20)]], [[label, 1]]) == {4}


def test_threshold_adds_anchors_of_this_level():
    # 28×28 fits anchor 1 with 400/784 = .510 and anchor 2, its best? 784/1600 = .490.
    truth = [[box(16, 16, 28)]]
    assert slots(truth, [[0]]) == {0}
    assert slots(truth, [[0]], iou_threshold=0.495) == {0}
    assert slots(truth, [[0]], iou_threshold=0.485) == {0, 1}


def test_a_fit_equal_to_the_threshold_adds_nothing():
    # 20×20 in anchor 2: 400/1600, a quarter to the bit.
    truth = [[box(16, 16, 20)]]
    assert slots(truth, [[0]], iou_threshold=0.25) == {0}
    assert slots(truth, [[0]], iou_threshold=0.2499) == {0, 1}


def test_threshold_assigns_although_the_best_anchor_is_elsewhere():
    # 13×13: anchor 0 fits best (100/169 = .59), anchor 1 with 169/400 = .42.
    assert slots([[box(16, 16, 13)]], [[0]], iou_threshold=0.4) == {0}
