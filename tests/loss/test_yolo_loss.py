"""The loss redone by hand on a 2×2 grid, and what every loss here promises."""

from __future__ import annotations

import functools
import math

import keras
import numpy as np
import pytest
from gradients import parts_and_gradients
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ZooError
from zoo.head.yolo import YoloHead
from zoo.loss.yolo import YoloLoss

# 64×64 pixels, stride 32. A raw prediction of zeros is a box of the anchor's size in the middle of
# its cell, with objectness and class probabilities of ½.
ONE_ANCHOR = YoloHead(num_classes=2, anchors=[[16, 16]], masks={"P5": [0]})
TWO_ANCHORS = YoloHead(num_classes=2, anchors=[[16, 16], [18, 18]], masks={"P5": [0, 1]})
TINY = YoloHead(
    num_classes=3,
    anchors=[[10, 14], [23, 27], [37, 58], [81, 82], [135, 169], [344, 319]],
    masks={"P5": [3, 4, 5], "P4": [1, 2, 3]},
    scale_xy=1.05,
)
TINY_SHAPES = {"P5": (2, 3, 2, 24), "P4": (2, 6, 4, 24)}  # two images, 96×64 pixels
BOX_LOSSES = ["mse", "iou", "giou", "diou", "ciou"]


def truth(*images: list[tuple]) -> dict[str, np.ndarray]:
    """Rows of (centre x, centre y, width, height, class) per image, padded to four."""
    boxes = np.zeros((len(images), 4, 4), "float32")
    classes = np.full((len(images), 4), -1, "int32")
    for image, rows in enumerate(images):
        for row, (x, y, w, h, label) in enumerate(rows):
            boxes[image, row] = x - w / 2, y - h / 2, x + w / 2, y + h / 2
            classes[image, row] = label
    return {"boxes": boxes, "classes": classes}


def run(
    loss: YoloLoss, y: dict, raw: dict, **options: bool
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Parts per image, and -gradient by level in the shape (batch, h, w, anchors, entries)."""
    parts, gradients = parts_and_gradients(loss, y, raw, **options)
    entries = 5 + loss.head.num_classes
    return parts, {k: -g.reshape(*g.shape[:3], -1, entries) for k, g in gradients.items()}


def zeros(head: YoloHead, batch: int = 1) -> dict[str, np.ndarray]:
    return {"P5": np.zeros((batch, 2, 2, len(head.anchors) * 7), "float32")}


def test_an_empty_image_learns_that_nothing_is_there():
    parts, deltas = run(YoloLoss(ONE_ANCHOR), truth([]), zeros(ONE_ANCHOR))
    assert {name: part.tolist() for name, part in parts.items()} == {
        "box": [0],
        "objectness": [4 * 0.25],
        "class": [0],
    }
    expected = np.zeros((1, 2, 2, 1, 7))
    expected[..., 4] = -0.5
    np.testing.assert_array_equal(deltas["P5"], expected)


def test_one_truth_with_squared_error():
    # Centre ¼ cell to the right, twice as wide as the anchor; an eighth of the image's area.
    y = truth([(24, 16, 32, 16, 1)], [])
    loss = YoloLoss(ONE_ANCHOR, box="mse", box_normalizer=1.0)
    parts, deltas = run(loss, y, zeros(ONE_ANCHOR, batch=2))
    dx, dw = (2 - 1 / 8) * 0.25, (2 - 1 / 8) * math.log(2)
    np.testing.assert_allclose(
        deltas["P5"][0, 0, 0, 0], [dx, 0, dw, 0, 0.5, -0.5, 0.5], rtol=1e-6, atol=1e-6
    )
    np.testing.assert_array_equal(deltas["P5"][1, ..., 4], -0.5)
    assert np.count_nonzero(deltas["P5"][0, ..., :4]) == 2
    np.testing.assert_allclose(parts["box"], [dx**2 + dw**2, 0], rtol=1e-6)
    np.testing.assert_allclose(parts["objectness"], [1, 1], rtol=1e-6)
    np.testing.assert_allclose(parts["class"], [0.5, 0], rtol=1e-6)


def test_box_cost_is_shared_among_the_pairs_of_the_batch():
    # IoU ½ in the first image, ¼ and 1 in the second: the mean of 1 − IoU over three.
    y = truth([(16, 16, 32, 16, 0)], [(16, 48, 8, 8, 0), (48, 48, 16, 16, 0)])
    parts, _ = run(YoloLoss(ONE_ANCHOR, box_normalizer=0.5), y, zeros(ONE_ANCHOR, batch=2))
    np.testing.assert_allclose(parts["box"], [0.5 * 0.5 / 3, 0.5 * 0.75 / 3], rtol=1e-6)


@pytest.mark.parametrize(
    "class_logit, smooth, expected",
    [
        pytest.param(0.0, False, 0.0, id="overlaps a truth: spared"),
        pytest.param(-5.0, False, -0.5, id="but recognises no class: pushed to 0"),
        pytest.param(0.0, True, 256 / 324 - 0.5, id="smooth: towards the IoU"),
    ],
)
def test_ignore_test(class_logit, smooth, expected):
    raw = zeros(TWO_ANCHORS)
    raw["P5"].reshape(1, 2, 2, 2, 7)[..., 5:] = class_logit
    loss = YoloLoss(TWO_ANCHORS, objectness_smooth=smooth)
    _, deltas = run(loss, truth([(16, 16, 16, 16, 0)]), raw)
    # The truth is anchor 0's; anchor 1 there overlaps it with 16²/18² = .79.
    assert deltas["P5"][0, 0, 0, 1, 4] == pytest.approx(expected, abs=1e-6)
    assert deltas["P5"][0, 1, 1, 1, 4] == -0.5


@pytest.mark.parametrize(("side", "expected"), [(19, 0.0), (20, -0.5)])
def test_an_overlap_above_070_is_spared_by_default(side, expected):
    # The truth is anchor 0's; anchor 1 there overlaps it with 16²/19² = .71 or 16²/20² = .64.
    head = YoloHead(num_classes=2, anchors=[[16, 16], [side, side]], masks={"P5": [0, 1]})
    _, deltas = run(YoloLoss(head), truth([(16, 16, 16, 16, 0)]), zeros(head))
    assert deltas["P5"][0, 0, 0, 1, 4] == expected


def test_smooth_objectness_gives_up_a_poor_box():
    y = truth([(16, 16, 32, 16, 0), (48, 48, 16, 16, 0)])  # IoU ½ and 1
    _, deltas = run(YoloLoss(ONE_ANCHOR, objectness_smooth=True), y, zeros(ONE_ANCHOR))
    assert deltas["P5"][0, 0, 0, 0, 4] == pytest.approx(-0.5)
    assert deltas["P5"][0, 1, 1, 0, 4] == pytest.approx(0.5)


def test_truths_in_one_slot_add_boxes_and_unite_classes():
    rows = [(24, 16, 16, 16, 0), (12, 16, 16, 16, 1)]  # ¼ cell right, ⅛ cell left
    weight = 2 - 1 / 16
    _, apart = run(YoloLoss(ONE_ANCHOR, box="mse"), truth(rows), zeros(ONE_ANCHOR))
    assert apart["P5"][0, 0, 0, 0, 0] == pytest.approx(0.75 * weight * (1 / 4 - 1 / 8))
    assert apart["P5"][0, 0, 0, 0, 4:].tolist() == [0.5, 0.5, 0.5]
    # With an IoU threshold Darknet divides by the number of classes that grow: two.
    shared = YoloLoss(ONE_ANCHOR, box="mse", iou_threshold=0.999)
    _, averaged = run(shared, truth(rows[::-1]), zeros(ONE_ANCHOR))
    np.testing.assert_allclose(averaged["P5"][..., :4], apart["P5"][..., :4] / 2, atol=1e-7)


def test_label_smoothing_is_symmetric():
    y = truth([(16, 16, 16, 16, 1)])
    _, deltas = run(YoloLoss(ONE_ANCHOR, label_smoothing=0.1), y, zeros(ONE_ANCHOR))
    np.testing.assert_allclose(deltas["P5"][0, 0, 0, 0, 5:], [-0.45, 0.45], rtol=1e-6)
    assert not deltas["P5"][0, 1:, :, :, 5:].any()


def test_truth_threshold_trains_an_unassigned_prediction():
    y = truth([(16, 16, 16, 16, 1)])
    _, deltas = run(YoloLoss(TWO_ANCHORS, box="mse", truth_threshold=0.75), y, zeros(TWO_ANCHORS))
    shrink = 0.75 * (2 - 1 / 16) * math.log(16 / 18)
    np.testing.assert_allclose(
        deltas["P5"][0, 0, 0, 1], [0, 0, shrink, shrink, 0.5, -0.5, 0.5], atol=1e-6
    )


def test_a_rare_class_weighs_more_in_the_box_of_a_prediction_above_the_truth_threshold():
    loss = YoloLoss(TWO_ANCHORS, box="mse", truth_threshold=0.75, class_counts=[4, 1])
    _, deltas = run(loss, truth([(16, 16, 16, 16, 1)]), zeros(TWO_ANCHORS))
    shrink = 4 * 0.75 * (2 - 1 / 16) * math.log(16 / 18)  # 4/1 for class 1
    np.testing.assert_allclose(deltas["P5"][0, 0, 0, 1, :4], [0, 0, shrink, shrink], atol=1e-6)


@pytest.mark.parametrize(("smooth", "weight"), [(True, 1), (False, 9)])
def test_objectness_has_the_class_weight_of_the_first_truth_if_smooth_else_of_the_last(
    smooth, weight
):
    raw = zeros(ONE_ANCHOR)
    raw["P5"][..., 4] = -200  # a probability of 0: the first test leaves no delta
    rows = [(16, 16, 32, 16, 0), (16, 16, 16, 32, 1)]  # 9/9 for class 0, 9/1 for class 1
    loss = YoloLoss(ONE_ANCHOR, objectness_smooth=smooth, class_counts=[9, 1])
    _, deltas = run(loss, truth(rows), raw)
    assert deltas["P5"][0, 0, 0, 0, 4] == pytest.approx(weight)


def test_truth_threshold_with_smooth_objectness_learns_the_squared_iou():
    loss = YoloLoss(TWO_ANCHORS, truth_threshold=0.75, objectness_smooth=True)
    _, deltas = run(loss, truth([(16, 16, 16, 16, 1)]), zeros(TWO_ANCHORS))
    target = (16 / 18) ** 4
    expected = [target - 0.5, -0.5, target - 0.5]
    np.testing.assert_allclose(deltas["P5"][0, 0, 0, 1, 4:], expected, atol=1e-6)


def test_a_size_that_underflowed_counts_as_the_whole_image():
    # Prediction x −¼…¾, truth x −.09375….84375 and height ¼, so I = .2109375, U = 1.0234375.
    raw = zeros(ONE_ANCHOR)
    raw["P5"][..., 2:4] = -200
    loss = YoloLoss(ONE_ANCHOR, box="iou", box_normalizer=1.0)
    _, deltas = run(loss, truth([(24, 16, 60, 16, 0)]), raw)
    left, right = 0.2109375, 0.25 * 1.0234375 - 0.75 * 0.2109375
    expected = [(left + right) / 1.0234375**2, 0, 0, 0]
    np.testing.assert_allclose(deltas["P5"][0, 0, 0, 0, :4], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("box, cost", [("mse", 4 * 0.25**2), ("ciou", 0.5 * 4 * 0.25**2)])
def test_objectness_normalizer_enters_the_cost_of_the_iou_family_once_more(box, cost):
    loss = YoloLoss(ONE_ANCHOR, box=box, objectness_normalizer=0.5)
    parts, deltas = run(loss, truth([]), zeros(ONE_ANCHOR))
    assert (deltas["P5"][..., 4] == -0.25).all()
    assert parts["objectness"] == pytest.approx(cost)


def test_numbers_of_one_level():
    y, raw = random_case(7)
    whole = YoloLoss(TINY, objectness_normalizer=1.0, max_delta=None)
    half = YoloLoss(TINY, objectness_normalizer={"P5": 0.5, "P4": 1.0})
    (_, deltas), (_, halved) = run(whole, y, raw), run(half, y, raw)
    np.testing.assert_allclose(halved["P5"][..., 4], deltas["P5"][..., 4] / 2)
    np.testing.assert_array_equal(halved["P4"], deltas["P4"])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"box": "cio"}, "no box loss 'cio'; did you mean ciou"),
        (
            {"gradient": "exact", "truth_threshold": {"P5": 1.0, "P4": 0.7}},
            "set gradient=darknet",
        ),
        ({"max_delta": {"P5": 1.0}}, r"max_delta has levels \['P5'\].*\['P4', 'P5'\]"),
        ({"max_delta": -1}, "^loss max_delta=-1: must be a number above 0$"),
        ({"max_delta": {"P5": 2, "P4": 0}}, "^loss max_delta=0: must be a number above 0$"),
        ({"ignore_threshold": -7}, "^loss ignore_threshold=-7: must be a number from 0 to 1$"),
        ({"ignore_threshold": 70}, "^loss ignore_threshold=70: must be"),
        ({"truth_threshold": 1.5}, "^loss truth_threshold=1.5: must be"),
        ({"iou_threshold": {"P5": 1, "P4": "a"}}, "^loss iou_threshold=a: must be"),
        ({"box_normalizer": -1}, "^loss box_normalizer=-1: must be a number at least 0$"),
        ({"objectness_normalizer": math.inf}, "^loss objectness_normalizer=inf: must be"),
        ({"class_normalizer": math.nan}, "^loss class_normalizer=nan: must be"),
        ({"label_smoothing": 3}, "^loss label_smoothing=3: must be a number from 0 to below 1$"),
        ({"label_smoothing": 1}, "^loss label_smoothing=1: must be"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ZooError, match=message):
        YoloLoss(TINY, **options)


def random_case(seed: int, scale: float = 1.0) -> tuple[dict, dict]:
    rng = np.random.default_rng(seed)
    raw = {k: rng.normal(0, scale, shape).astype("float32") for k, shape in TINY_SHAPES.items()}
    rows = rng.uniform([0, 0, 1, 1, 0], [64, 96, 90, 90, 3], (2, 3, 5))
    return truth(*([(*row[:4], int(row[4])) for row in image] for image in rows)), raw


@pytest.mark.parametrize("box", ["mse", "ciou"])
def test_compiled_equals_eager(box):
    y, raw = random_case(3)
    loss = YoloLoss(TINY, box=box, iou_threshold=0.2, truth_threshold=0.6, label_smoothing=0.1)
    (eager_parts, eager), (parts, deltas) = (run(loss, y, raw, jit=jit) for jit in (False, True))
    for part in parts:
        np.testing.assert_allclose(parts[part], eager_parts[part], rtol=1e-5)
    for level in raw:
        np.testing.assert_allclose(deltas[level], eager[level], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("box", BOX_LOSSES)
def test_perfect_prediction_costs_nothing(box):
    # Logits of ±12 are probabilities within 1e-5 of 0 and 1; offsets of 0 are the cell's middle.
    raw = zeros(ONE_ANCHOR)
    raw["P5"][..., 4:] = -12
    raw["P5"][0, 0, 1] = [0, 0, math.log(20 / 16), math.log(12 / 16), 12, -12, 12]
    parts, _ = run(YoloLoss(ONE_ANCHOR, box=box), truth([(48, 16, 20, 12, 1)]), raw)
    assert all(part[0] == pytest.approx(0, abs=1e-5) for part in parts.values())


def test_mixed_precision_keeps_the_loss_in_float32():
    y, raw = random_case(5)
    loss = YoloLoss(TINY)
    expected, _ = run(loss, y, raw)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        parts, _ = run(loss, y, raw)
    finally:
        keras.config.set_dtype_policy(policy)
    for name, part in parts.items():
        assert part.dtype == "float32"
        np.testing.assert_array_equal(part, expected[name])


@functools.cache
def strict_loss(box: str) -> YoloLoss:
    """A loss with all its branches on."""
    return YoloLoss(TINY, box=box, iou_threshold=0.2, truth_threshold=0.7)


def all_finite(box: str, y: dict, raw: dict) -> None:
    parts, deltas = run(strict_loss(box), y, raw)
    assert all(np.isfinite(values).all() for values in [*parts.values(), *deltas.values()])


@pytest.mark.parametrize("box", BOX_LOSSES)
@pytest.mark.parametrize("logit", [-200.0, 200.0], ids=["underflow", "overflow"])
def test_extreme_predictions_stay_finite(box, logit):
    y, raw = random_case(11)
    all_finite(box, y, {level: np.full_like(values, logit) for level, values in raw.items()})


ROWS = st.lists(st.tuples(*[st.floats(-100, 200, width=32)] * 4, st.integers(-1, 4)), max_size=4)


@settings(max_examples=25)
@given(first=ROWS, second=ROWS, seed=st.integers(0, 99), box=st.sampled_from(BOX_LOSSES))
def test_any_truth_gives_finite_loss_and_gradient(first, second, seed, box):
    # Boxes inside out, of no size, outside the image, of unknown classes: nothing is excluded.
    _, raw = random_case(seed, scale=4.0)
    all_finite(box, truth(first, second), raw)


def crowd(place: str) -> dict[str, np.ndarray]:
    """200 boxes in each of two images, or none."""
    rng = np.random.default_rng(0)
    centre = rng.uniform([0, 0], [64, 96], (2, 200, 2)) if place == "all over" else [37.0, 41.0]
    half = rng.uniform(0.5, 45, (2, 200, 2))
    boxes = np.concatenate([centre - half, centre + half], -1).astype("float32")
    classes = rng.integers(0, 3, (2, 200)).astype("int32")
    return {"boxes": boxes, "classes": np.full_like(classes, -1) if place == "nowhere" else classes}


@functools.cache
def losses() -> dict[str, YoloLoss]:
    options = dict(iou_threshold=0.2, label_smoothing=0.1)
    smooth = dict(options, truth_threshold=0.7, objectness_smooth=True, class_counts=[9, 3, 1])
    return {
        "darknet": YoloLoss(TINY, focal=True, **smooth),
        "exact": YoloLoss(TINY, gradient="exact", **options),
    }


@pytest.mark.parametrize("gradient", ["darknet", "exact"])
@pytest.mark.parametrize("place", ["all over", "in one cell", "nowhere"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_crowds_and_empty_images_give_finite_loss_and_gradient(gradient, place, dtype):
    _, raw = random_case(5, scale=6.0)
    # What a network in half precision can predict. The head gives it in float32: Darknet's delta of
    # so wrong a box may pass 65,504, the end of float16.
    raw = {k: keras.ops.convert_to_numpy(keras.ops.cast(keras.ops.cast(v, dtype), "float32"))
           for k, v in raw.items()}  # fmt: skip
    parts, deltas = run(losses()[gradient], crowd(place), raw)
    assert all(part.dtype == "float32" for part in parts.values())
    assert all(np.isfinite(values).all() for values in [*parts.values(), *deltas.values()])


@pytest.mark.slow
@settings(max_examples=2000)
@given(first=ROWS, second=ROWS, seed=st.integers(0, 99), name=st.sampled_from(["darknet", "exact"]))
def test_two_thousand_random_truths_stay_finite(first, second, seed, name):
    _, raw = random_case(seed, scale=4.0)
    parts, deltas = run(losses()[name], truth(first, second), raw, jit=True)
    assert all(np.isfinite(values).all() for values in [*parts.values(), *deltas.values()])
