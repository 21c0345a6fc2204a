"""Decoding by hand: one cell, one anchor, numbers that can be redone on paper."""

import keras
import numpy as np
import pytest

from zoo.errors import ZooError
from zoo.head.raw import RawYoloHead
from zoo.head.yolo import YoloHead


def head(**options):
    """Two classes, an anchor of 16 × 64 pixels on P4, stride 16."""
    return YoloHead(num_classes=2, anchors=[[16, 64]], masks={"P4": [0]}, **options)


def decoded(head, raw, grid=(2, 4)):
    """cxcywh and scores of the prediction in row 1, column 2 of a grid, 32 × 64 pixels."""
    predictions = np.zeros((1, *grid, 7), "float32")
    predictions[0, 1, 2] = raw
    boxes, scores = (keras.ops.convert_to_numpy(t) for t in head.decode({"P4": predictions}))
    x1, y1, x2, y2 = boxes[0, 1 * grid[1] + 2]
    return [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], scores[0, 1 * grid[1] + 2]


def fresh(part):
    """Raw predictions of an untrained head on features that are zero, (1, 1, 1, 7)."""
    pyramid = {"P4": keras.Input((None, None, 4), name="P4")}
    return keras.Model(pyramid, part(pyramid))({"P4": keras.ops.zeros((1, 1, 1, 4))})["P4"]


LOG3 = np.log(3)  # its sigmoid is 3/4


@pytest.mark.parametrize(
    "options, raw, cxcywh, scores",
    [
        pytest.param(
            {},
            [0, LOG3, 0, np.log(0.5), 0, LOG3, 0],
            # (2 + 1/2)/4, (1 + 3/4)/2, 16/64, 64/2/32
            [0.625, 0.875, 0.25, 1.0],
            [0.5 * 0.75, 0.5 * 0.5],
            id="sigmoid of the offset, exponential of the size",
        ),
        pytest.param(
            {"scale_xy": 1.2},
            [0, LOG3, 0, 0, 0, 0, 0],
            # 1.2·3/4 − 0.1 = 0.8
            [0.625, 0.9, 0.25, 2.0],
            [0.25, 0.25],
            id="scale_xy stretches about the centre of the cell",
        ),
        pytest.param(
            {"scale_xy": 2.0, "new_coords": True},
            [0.5, 0.75, 0.5, 0.25, 0.5, 0.75, 0.5],
            # 2·1/2 − 1/2 = 1/2, 2·3/4 − 1/2 = 1; 4·(1/2)² = 1, 4·(1/4)² = 1/4
            [0.625, 1.0, 0.25, 0.5],
            [0.5 * 0.75, 0.5 * 0.5],
            id="new_coords: probabilities come in, the size is a square",
        ),
    ],
)
def test_decoding(options, raw, cxcywh, scores):
    box, found = decoded(head(**options), raw)
    assert box == pytest.approx(cxcywh, abs=1e-6)
    assert found == pytest.approx(scores, abs=1e-6)


def test_a_head_without_layers_decodes_alike():
    part = RawYoloHead(
        num_classes=2, anchors=[[16, 64]], masks={"P4": [0]}, scale_xy=2.0, new_coords=True
    )
    box, found = decoded(part, [0.5, 0.75, 0.5, 0.25, 0.5, 0.75, 0.5])
    # (2 + 1/2)/4, (1 + 1)/2, 16/64, 64/4/32
    assert box == pytest.approx([0.625, 1.0, 0.25, 0.5], abs=1e-6)
    assert found == pytest.approx([0.5 * 0.75, 0.5 * 0.5], abs=1e-6)


@pytest.mark.parametrize("index", [-1, 1])
def test_a_mask_outside_the_anchors_is_refused(index):
    with pytest.raises(
        ZooError, match=rf"^head masks P4: \[{index}\] points outside the 1 anchors$"
    ):
        YoloHead(num_classes=2, anchors=[[16, 64]], masks={"P4": [index]})


@pytest.mark.parametrize("mask", [[], ["a"], [0.5], [True], "0", 0])
def test_a_mask_that_lists_no_anchors_is_refused(mask):
    with pytest.raises(ZooError, match=r"^head masks P4: .* must list anchors, as \[0, 1, 2\]$"):
        YoloHead(num_classes=2, anchors=[[16, 64]], masks={"P4": mask})


def test_a_head_has_a_level():
    with pytest.raises(ZooError, match=r"^head masks={}: needs a level"):
        YoloHead(num_classes=2, anchors=[[16, 64]], masks={})


@pytest.mark.parametrize("anchor", [[0, 10], [10, -1], [10], [1, 2, 3], [float("nan"), 1]])
def test_an_anchor_has_two_sides(anchor):
    with pytest.raises(ZooError, match=r"^head anchors .*: must be a width and a height, each a"):
        YoloHead(num_classes=2, anchors=[[16, 64], anchor], masks={"P4": [0]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prior": 0}, "prior=0: must be a number between 0 and 1"),
        ({"prior": 1}, "prior=1: must be"),
        ({"scale_xy": 0}, "scale_xy=0: must be a number at least 1"),
        ({"scale_xy": {"P4": "a"}}, "scale_xy=a: must be"),
        ({"widths": -3}, "widths=-3: must be a whole number, at least 0"),
        ({"widths": {"P4": 2.5}}, "widths=2.5: must be"),
        ({"size": 0}, "size=0: must be a whole number, at least 1"),
        ({"size": 4}, "size=4: must be odd"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(options, message):
    with pytest.raises(ZooError, match=f"^head {message}"):
        head(**options)


@pytest.mark.parametrize("bare", ["P4", "P5"])
def test_attention_needs_a_convolution_at_every_level(bare):
    widths = {"P5": 8, "P4": 8, bare: 0}
    with pytest.raises(ZooError, match="attention 'sam' needs widths other than 0"):
        YoloHead(
            num_classes=2, anchors=[[8, 8], [16, 16]], masks={"P5": [1], "P4": [0]},
            widths=widths, attention="sam",
        )  # fmt: skip


@pytest.mark.parametrize("new_coords", [False, True])
def test_a_fresh_head_predicts_its_prior(new_coords):
    part = head(new_coords=new_coords, prior=0.02)
    raw = fresh(part)
    probabilities = keras.ops.convert_to_numpy(part.probabilities(raw))[0, 0, 0]
    assert probabilities == pytest.approx([0.5, 0.5, 0.5, 0.5, 0.02, 0.5, 0.5], abs=1e-6)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_new_coords_are_float32_under_mixed_precision(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        part = head(new_coords=True, prior=1 - 1e-4)
        raw = fresh(part)
    finally:
        keras.config.set_dtype_policy(before)
    objectness = keras.ops.convert_to_numpy(raw)[0, 0, 0, 4]
    assert objectness.dtype == np.float32
    assert 0.999 < objectness < 1  # in bfloat16 it would be 1


@pytest.mark.parametrize("level, stride", [("P2", 4), ("P6", 64), ("P7", 128)])
def test_levels_have_the_stride_of_their_name(level, stride):
    part = YoloHead(num_classes=1, anchors=[[8, 8]], masks={level: [0]})
    assert part.strides == {level: stride}
