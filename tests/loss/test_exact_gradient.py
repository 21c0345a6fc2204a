"""`gradient: exact` on a 2×2 grid by hand, and its derivative by differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gradients import parts_and_gradients

from zoo.errors import ZooError
from zoo.head.yolo import YoloHead
from zoo.loss.yolo import YoloLoss

HEAD = YoloHead(num_classes=2, anchors=[[16, 16]], masks={"P5": [0]})
TWO_ANCHORS = YoloHead(num_classes=2, anchors=[[16, 16], [18, 18]], masks={"P5": [0, 1]})
# The truth: ¼ cell right of the middle of the first cell, twice as wide as the anchor.
TRUTH = {
    "boxes": np.array([[[8, 8, 40, 24], [0, 0, 0, 0]]], "float32"),
    "classes": np.array([[1, -1]], "int32"),
}

# Its box costs half of its weight, 2 less an eighth of the image, times the squares of ¼ and ln 2.
BOX = 1.875 * (0.0625 + math.log(2) ** 2) / 2


def truths(*boxes: list[float]) -> dict[str, np.ndarray]:
    """One image with xyxy boxes of class 1."""
    return {"boxes": np.array([boxes], "float32"), "classes": np.ones((1, len(boxes)), "int32")}


def raw(seed: int | None = None) -> dict[str, np.ndarray]:
    shape = (1, 2, 2, 7)
    if seed is None:
        return {"P5": np.zeros(shape, "float32")}
    return {"P5": np.random.default_rng(seed).normal(0, 0.5, shape).astype("float32")}


def test_values_by_hand():
    loss = YoloLoss(HEAD, gradient="exact", box="mse", box_normalizer=1.0)
    parts, gradients = parts_and_gradients(loss, TRUTH, raw())
    weight = 2 - 32 * 16 / 64**2
    assert parts["box"][0] == pytest.approx(weight * (0.25**2 + math.log(2) ** 2) / 2)
    assert parts["objectness"][0] == pytest.approx(4 * math.log(2))  # ln 2 in each cell
    assert parts["class"][0] == pytest.approx(2 * math.log(2))
    # x has the slope ¼ of its sigmoid, which Darknet leaves out.
    found = gradients["P5"][0, 0, 0]
    expected = [-weight * 0.25 / 4, 0, -weight * math.log(2), 0, -0.5, 0.5, -0.5]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_rare_class_weighs_more_in_its_box_and_in_its_entry():
    loss = YoloLoss(HEAD, gradient="exact", box="mse", box_normalizer=1.0, class_counts=[4, 1])
    parts, _ = parts_and_gradients(loss, TRUTH, raw())
    assert parts["box"][0] == pytest.approx(4 * BOX)  # 4/1 for class 1
    assert parts["class"][0] == pytest.approx((1 + 4) * math.log(2))  # 4/4 for class 0


def test_each_part_has_its_normalizer():
    loss = YoloLoss(
        HEAD,
        gradient="exact",
        box="mse",
        box_normalizer=0.5,
        objectness_normalizer=0.25,
        class_normalizer=3.0,
    )
    parts, _ = parts_and_gradients(loss, TRUTH, raw())
    assert parts["box"][0] == pytest.approx(0.5 * BOX)
    assert parts["objectness"][0] == pytest.approx(0.25 * 4 * math.log(2))
    assert parts["class"][0] == pytest.approx(3 * 2 * math.log(2))


def test_focal_loss_squares_the_miss():
    loss = YoloLoss(HEAD, gradient="exact", focal=True)
    parts, _ = parts_and_gradients(loss, TRUTH, raw())
    # Two classes, each missed by ½: α · (½)² · ln 2 with α = ½.
    assert parts["class"][0] == pytest.approx(2 * 0.5 * 0.25 * math.log(2))


@pytest.mark.parametrize(("threshold", "counted"), [(0.7, 7), (0.8, 8)])
def test_only_predictions_without_truth_above_the_threshold_are_spared(threshold, counted):
    # Eight predictions of ½; anchor 0 has the truth, IoU 1, anchor 1 overlaps it: 16²/18² = .79.
    loss = YoloLoss(TWO_ANCHORS, gradient="exact", ignore_threshold=threshold)
    predicted = {"P5": np.zeros((1, 2, 2, 14), "float32")}
    parts, _ = parts_and_gradients(loss, truths([8, 8, 24, 24]), predicted)
    assert parts["objectness"][0] == pytest.approx(counted * math.log(2))


@pytest.mark.parametrize("box", ["mse", "iou", "giou", "diou"])
@pytest.mark.parametrize("new_coords", [False, True], ids=["exponential", "new_coords"])
def test_gradient_is_the_slope_of_the_value(box, new_coords):
    head = YoloHead(
        num_classes=2, anchors=[[16, 16]], masks={"P5": [0]}, scale_xy=2.0, new_coords=new_coords
    )
    loss = YoloLoss(head, gradient="exact", box=box, label_smoothing=0.1)
    start = raw(7)
    if new_coords:
        start = {"P5": (1 / (1 + np.exp(-start["P5"]))).astype("float32")}
    _, gradients = parts_and_gradients(loss, TRUTH, start)
    step = 1e-2
    for entry in range(7):
        values = []
        for sign in (1, -1):
            moved = {"P5": start["P5"].copy()}
            moved["P5"][0, 0, 0, entry] += sign * step
            parts, _ = parts_and_gradients(loss, TRUTH, moved)
            values.append(sum(part[0] for part in parts.values()))
        slope = (values[0] - values[1]) / (2 * step)
        assert gradients["P5"][0, 0, 0, entry] == pytest.approx(slope, rel=2e-2, abs=2e-3)


def test_smooth_objectness_learns_the_overlap():
    loss = YoloLoss(HEAD, gradient="exact", objectness_smooth=True)
    _, gradients = parts_and_gradients(loss, TRUTH, raw())
    # Boxes 8…24 and 8…40 wide overlap by half: the target is ½, as is the prediction.
    assert gradients["P5"][0, 0, 0, 4] == pytest.approx(0, abs=1e-6)
    assert gradients["P5"][0, 1, 1, 4] == pytest.approx(0.5)


def test_smooth_objectness_of_two_truths_is_the_best_overlap():
    loss = YoloLoss(HEAD, gradient="exact", objectness_smooth=True)
    # 16×16 and 32×16 in one slot: IoU 1 and ½.
    _, gradients = parts_and_gradients(loss, truths([8, 8, 24, 24], [0, 8, 32, 24]), raw())
    assert gradients["P5"][0, 0, 0, 4] == pytest.approx(0.5 - 1)


def test_two_truths_of_one_class_in_a_slot_are_one_target():
    loss = YoloLoss(HEAD, gradient="exact")
    _, gradients = parts_and_gradients(loss, truths([8, 8, 24, 24], [0, 8, 32, 24]), raw())
    np.testing.assert_allclose(gradients["P5"][0, 0, 0, 5:], [0.5, 0.5 - 1], rtol=1e-6)


def test_label_smoothing_takes_half_of_it_from_both_ends():
    loss = YoloLoss(HEAD, gradient="exact", label_smoothing=0.1)
    _, gradients = parts_and_gradients(loss, TRUTH, raw())
    np.testing.assert_allclose(gradients["P5"][0, 0, 0, 5:], [0.5 - 0.05, 0.5 - 0.95], rtol=1e-6)


def test_a_size_that_underflowed_has_a_finite_squared_error():
    shrunk = raw()
    shrunk["P5"][..., 2:4] = -200  # e⁻²⁰⁰ is 0 in float32, its logarithm −∞
    loss = YoloLoss(HEAD, gradient="exact", box="mse")
    parts, gradients = parts_and_gradients(loss, TRUTH, shrunk)
    assert all(np.isfinite(values).all() for values in [*parts.values(), gradients["P5"]])


def test_perfect_prediction_costs_nothing():
    perfect = raw()
    perfect["P5"][..., 4:] = -12
    perfect["P5"][0, 0, 0] = [math.log(3), 0, math.log(2), 0, 12, -12, 12]  # σ(ln 3) = ¾
    for box in ("mse", "ciou"):
        parts, _ = parts_and_gradients(YoloLoss(HEAD, gradient="exact", box=box), TRUTH, perfect)
        assert all(part[0] == pytest.approx(0, abs=1e-3) for part in parts.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gradient": "exakt"}, "no loss gradient 'exakt'; did you mean exact"),
        ({"gradient": "exact", "truth_threshold": 0.7}, "set gradient=darknet"),
        ({"class_counts": [3, 0]}, "a positive number for each of the 2 classes"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ZooError, match=message):
        YoloLoss(HEAD, **options)
