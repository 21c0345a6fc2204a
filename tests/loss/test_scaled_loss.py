"""ScaledYOLOv4's loss against a slow reference, and what every loss promises."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from gradients import parts_and_gradients
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ZooError
from zoo.head.yolo import YoloHead
from zoo.loss.scaled import ScaledLoss

HEAD = YoloHead(
    num_classes=3,
    anchors=[[8, 10], [20, 12], [30, 40], [50, 60], [70, 30], [80, 90]],
    masks={"P3": [0, 1], "P4": [2, 3], "P5": [4, 5]},
    scale_xy=2.0,
    new_coords=True,
)
WIDTH, HEIGHT = 96, 64
SHAPES = {"P3": (2, 8, 12, 16), "P4": (2, 4, 6, 16), "P5": (2, 2, 3, 16)}
LOSS = ScaledLoss(HEAD, label_smoothing=0.1)


def case(seed: int) -> tuple[dict, dict]:
    rng = np.random.default_rng(seed)
    raw = {k: rng.uniform(0.05, 0.95, shape).astype("float32") for k, shape in SHAPES.items()}
    centre = rng.uniform([2, 2], [WIDTH - 2, HEIGHT - 2], (2, 6, 2))
    half = rng.uniform(3, 30, (2, 6, 2))
    classes = rng.integers(0, 3, (2, 6))
    classes[0, 4:] = -1
    boxes = np.concatenate([centre - half, centre + half], -1).astype("float32")
    return {"boxes": boxes, "classes": classes.astype("int32")}, raw


# === The reference: loops and float64 ===


def reference(truth: dict, raw: dict) -> dict[str, float]:
    """Mean over the batch of each part, by ScaledYOLOv4's rules read aloud."""
    parts = {"box": 0.0, "objectness": 0.0, "class": 0.0}
    for name, balance in {"P3": 4.0, "P4": 1.0, "P5": 0.4}.items():
        batch, height, width, _ = SHAPES[name]
        values = raw[name].astype("float64").reshape(batch, height, width, 2, 8)
        target = np.zeros((batch, height, width, 2))
        boxes, classes = [], []
        for image, row, column, anchor, box, label in pairs(truth, name):
            p = values[image, row, column, anchor]
            overlap = ciou(decoded(p, row, column, name, anchor), box)
            boxes.append(1 - overlap)
            place = image, row, column, anchor
            target[place] = max(target[place], overlap)
            aim = np.full(3, 0.05)
            aim[label] = 0.95
            classes.append(entropy(p[5:], aim).mean())
        parts["box"] += 64 * 0.05 * np.mean(boxes)
        parts["objectness"] += 64 * balance * entropy(values[..., 4], target).mean()
        parts["class"] += 64 * 0.5 * np.mean(classes)
    return parts


def pairs(truth: dict, name: str):
    _, height, width, _ = SHAPES[name]
    stride = HEAD.strides[name]
    for image in range(2):
        for box, label in zip(truth["boxes"][image], truth["classes"][image], strict=True):
            if label < 0:
                continue
            w, h = box[2] - box[0], box[3] - box[1]
            x, y = (box[0] + box[2]) / 2 / stride, (box[1] + box[3]) / 2 / stride
            cells = [(int(x), int(y))]
            if x % 1 < 0.5 and x > 1:
                cells.append((int(x) - 1, int(y)))
            elif x % 1 > 0.5 and x < width - 1:
                cells.append((int(x) + 1, int(y)))
            if y % 1 < 0.5 and y > 1:
                cells.append((int(x), int(y) - 1))
            elif y % 1 > 0.5 and y < height - 1:
                cells.append((int(x), int(y) + 1))
            for anchor, index in enumerate(HEAD.masks[name]):
                aw, ah = HEAD.anchors[index]
                if max(w / aw, aw / w, h / ah, ah / h) < 4:
                    for column, row in cells:
                        yield image, row, column, anchor, box.astype("float64"), label


def decoded(p, row, column, name, anchor):
    """xyxy in pixels."""
    stride, (aw, ah) = HEAD.strides[name], HEAD.anchors[HEAD.masks[name][anchor]]
    x, y = (column + 2 * p[0] - 0.5) * stride, (row + 2 * p[1] - 0.5) * stride
    w, h = 4 * p[2] ** 2 * aw, 4 * p[3] ** 2 * ah
    return np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2])


def ciou(a, b):
    """In the relative unit of the loss, where a diagonal of 96×64 pixels is that of a square."""
    unit = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT], "float64")
    a, b = a / unit, b / unit
    inner = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0).prod()
    (aw, ah), (bw, bh) = a[2:] - a[:2], b[2:] - b[:2]
    overlap = inner / (aw * ah + bw * bh - inner)
    outer = np.maximum(a[2:], b[2:]) - np.minimum(a[:2], b[:2])
    distance = ((a[:2] + a[2:] - b[:2] - b[2:]) ** 2).sum() / 4 / (outer**2).sum()
    v = 4 / math.pi**2 * (math.atan(bw / bh) - math.atan(aw / ah)) ** 2
    return overlap - distance - v * v / (1 - overlap + v + 1e-6)


def entropy(p, target):
    return -target * np.log(p) - (1 - target) * np.log(1 - p)


# === Tests ===


@pytest.mark.parametrize("seed", range(3))
def test_values_equal_the_reference(seed):
    truth, raw = case(seed)
    parts, _ = parts_and_gradients(LOSS, truth, raw)
    for part, expected in reference(truth, raw).items():
        assert parts[part].mean() == pytest.approx(expected, rel=1e-4), part


def test_box_gradient_is_the_slope_of_the_reference():
    truth, raw = case(4)
    _, gradients = parts_and_gradients(_box_only, truth, raw)
    image, row, column, anchor, *_ = next(pairs(truth, "P3"))
    for entry in (0, 1):  # the centre: α, held constant, does not depend on it but through IoU
        place = (image, row, column, anchor * 8 + entry)
        shifted = []
        for step in (1e-3, -1e-3):
            moved = {k: v.astype("float64") for k, v in raw.items()}
            moved["P3"][place] += step
            shifted.append(2 * reference(truth, moved)["box"])  # sum over two images
        slope = (shifted[0] - shifted[1]) / 2e-3
        assert gradients["P3"][place] == pytest.approx(slope, rel=0.05, abs=2e-3)


def _box_only(truth, predictions):
    return {"box": LOSS(truth, predictions)["box"]}


def test_perfect_prediction_costs_nothing():
    # 20×12 at (20, 12) is anchor 1 of P3, v = ½ its size and its cell's middle.
    head = YoloHead(
        num_classes=2, anchors=[[20, 12]], masks={"P3": [0]}, scale_xy=2.0, new_coords=True
    )
    loss = ScaledLoss(head, balance={"P3": 1.0})
    raw = np.full((1, 4, 4, 7), 1e-6, "float32")
    raw[0, 1, 2] = [0.5, 0.5, 0.5, 0.5, 1 - 1e-6, 1e-6, 1 - 1e-6]
    truth = {"boxes": np.array([[[10, 6, 30, 18]]], "float32"), "classes": np.array([[1]])}
    parts, _ = parts_and_gradients(loss, truth, {"P3": raw})
    assert all(part[0] == pytest.approx(0, abs=5e-3) for part in parts.values())


def test_a_head_of_exponential_sizes_is_refused():
    head = YoloHead(num_classes=2, anchors=[[16, 16]], masks={"P5": [0]})
    with pytest.raises(ZooError, match="needs a head with new_coords"):
        ScaledLoss(head)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ratio": 1}, "ratio=1: must be a number above 1"),
        ({"box_normalizer": -1}, "box_normalizer=-1: must be a number at least 0"),
        ({"objectness_normalizer": -1}, "objectness_normalizer=-1: must be"),
        ({"class_normalizer": -1}, "class_normalizer=-1: must be"),
        ({"balance": {"P3": -1.0, "P4": 1.0, "P5": 0.4}}, "balance=-1.0: must be"),
        ({"label_smoothing": 3}, "label_smoothing=3: must be a number from 0 to below 1"),
        ({"nominal_batch": 0}, "nominal_batch=0: must be a number above 0"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(options, message):
    with pytest.raises(ZooError, match=f"^loss {message}"):
        ScaledLoss(of_levels("P3", "P4", "P5"), **options)


def of_levels(*levels: str) -> YoloHead:
    """A head with an anchor of its own for each level."""
    return YoloHead(
        num_classes=2,
        anchors=[[16, 16]] * len(levels),
        masks={level: [row] for row, level in enumerate(levels)},
        scale_xy=2.0,
        new_coords=True,
    )


def test_four_levels_share_the_weights_of_three_and_more_objectness():
    loss = ScaledLoss(of_levels("P3", "P4", "P5", "P6"))
    # 64 · 3/4 = 48, times 0.05, 1 · 1.4 and 0.5.
    assert loss.weights == pytest.approx({"box": 2.4, "objectness": 67.2, "class": 24.0})
    assert loss.balance == {"P3": 4.0, "P4": 1.0, "P5": 0.4, "P6": 0.1}


def test_another_nominal_batch():
    loss = ScaledLoss(of_levels("P3", "P4", "P5"), nominal_batch=16)
    assert loss.weights == pytest.approx({"box": 16 * 0.05, "objectness": 16, "class": 16 * 0.5})


def test_five_levels_have_a_balance_of_their_own():
    loss = ScaledLoss(of_levels("P3", "P4", "P5", "P6", "P7"))
    assert loss.balance == {"P3": 4.0, "P4": 1.0, "P5": 0.5, "P6": 0.4, "P7": 0.1}


@pytest.mark.parametrize(
    ("box", "trains"),
    [
        pytest.param([0, 24, 63, 40], True, id="almost four times as wide as the anchor"),
        pytest.param([0, 24, 64, 40], False, id="four times as wide"),
        pytest.param([40, 24, 24, 40], False, id="inside out"),
    ],
)
def test_boxes_that_fit_no_anchor_train_nothing(box, trains):
    loss = ScaledLoss(of_levels("P5"), balance={"P5": 1.0})
    truth = {"boxes": np.array([[box]], "float32"), "classes": np.array([[1]])}
    parts, _ = parts_and_gradients(loss, truth, {"P5": np.full((1, 2, 2, 7), 0.5, "float32")})
    assert (parts["box"][0] > 0) == (parts["class"][0] > 0) == trains


def test_the_finest_level_weighs_most_in_whatever_order_they_come():
    loss = ScaledLoss(of_levels("P5", "P4", "P3"))
    assert loss.balance == {"P3": 4.0, "P4": 1.0, "P5": 0.4}


@pytest.mark.parametrize("count", [1, 2, 6])
def test_another_number_of_levels_needs_a_balance_of_its_own(count):
    levels = [f"P{number}" for number in range(3, 3 + count)]
    with pytest.raises(ZooError, match=f"no common one for {count} levels; give one number"):
        ScaledLoss(of_levels(*levels))
    given = dict.fromkeys(levels, 1.0)
    assert ScaledLoss(of_levels(*levels), balance=given).balance == given


def test_compiled_equals_eager():
    truth, raw = case(5)
    (eager_parts, eager), (parts, found) = (
        parts_and_gradients(LOSS, truth, raw, jit=jit) for jit in (False, True)
    )
    for part in parts:
        np.testing.assert_allclose(parts[part], eager_parts[part], rtol=1e-4)
    for level in raw:
        np.testing.assert_allclose(found[level], eager[level], rtol=1e-3, atol=1e-5)


ROW = st.tuples(*[st.floats(-100, 200, width=32)] * 4, st.integers(-1, 4))


@settings(max_examples=25)
@given(rows=st.lists(ROW, min_size=8, max_size=8), saturated=st.booleans())
def test_any_truth_gives_finite_loss_and_gradient(rows, saturated):
    table = np.array(rows, "float32").reshape(2, 4, 5)
    truth = {"boxes": table[..., :4], "classes": table[..., 4].astype("int32")}
    _, raw = case(1)
    if saturated:
        raw = {k: np.round(v) for k, v in raw.items()}  # a sigmoid of ±100
    parts, gradients = parts_and_gradients(LOSS, truth, raw)
    assert all(np.isfinite(v).all() for v in [*parts.values(), *gradients.values()])


def crowd(place: str) -> dict[str, np.ndarray]:
    """200 boxes in each of two images, or none."""
    rng = np.random.default_rng(0)
    centre = rng.uniform([0, 0], [WIDTH, HEIGHT], (2, 200, 2))
    half = rng.uniform(0.5, 45, (2, 200, 2))
    if place == "in one cell":
        centre[:] = [37, 41]
    boxes = np.concatenate([centre - half, centre + half], -1).astype("float32")
    classes = rng.integers(0, 3, (2, 200)).astype("int32")
    return {"boxes": boxes, "classes": np.full_like(classes, -1) if place == "nowhere" else classes}


@pytest.mark.parametrize("place", ["all over", "in one cell", "nowhere"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_crowds_and_empty_images_give_finite_loss_and_gradient(place, dtype):
    _, raw = case(1)
    # A network in half precision gives these; the derivative goes back through its cast.
    raw = {k: keras.ops.cast(np.round(v, 1), dtype) for k, v in raw.items()}
    parts, gradients = parts_and_gradients(LOSS, crowd(place), raw)
    assert all(part.dtype == "float32" for part in parts.values())
    assert all(str(g.dtype) == dtype for g in gradients.values())
    assert all(
        np.isfinite(v.astype("float32")).all() for v in [*parts.values(), *gradients.values()]
    )
    assert any((g[..., 0].astype("float32") != 0).any() for g in gradients.values()) == (
        place != "nowhere"
    )


@pytest.mark.slow
@settings(max_examples=2000)
@given(rows=st.lists(ROW, min_size=8, max_size=8), seed=st.integers(0, 99))
def test_two_thousand_random_truths_stay_finite(rows, seed):
    table = np.array(rows, "float32").reshape(2, 4, 5)
    truth = {"boxes": table[..., :4], "classes": table[..., 4].astype("int32")}
    parts, gradients = parts_and_gradients(LOSS, truth, case(seed)[1], jit=True)
    assert all(np.isfinite(v).all() for v in [*parts.values(), *gradients.values()])
