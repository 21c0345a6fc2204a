"""Greedy suppression: small cases by hand, and whatever Hypothesis thinks of."""

import inspect

import keras
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from keras import ops
from references import candidates, greedy

from zoo.errors import ZooError
from zoo.nms.candidates import largest
from zoo.ops.compile import xla
from zoo.registry import NMS

PIXELS = {"score_threshold": 0.1, "iou_threshold": 0.45, "max_candidates": 32, "max_detections": 8}


def run(kind, boxes, scores, **limits):
    out = NMS[kind](
        ops.convert_to_tensor(np.asarray(boxes, "float32")[None]),
        ops.convert_to_tensor(np.asarray(scores, "float32")[None]),
        **{**PIXELS, **limits},
    )
    out = {key: ops.convert_to_numpy(value)[0] for key, value in out.items()}
    n = int(out["count"])
    found = zip(out["classes"][:n].tolist(), out["scores"][:n].tolist(), strict=True)
    return [(label, pytest.approx(score)) for label, score in found], out


A, SHIFTED, FAR = [0, 0, 10, 10], [0, 0, 10, 8], [50, 50, 60, 60]  # IoU(A, SHIFTED) = 0.8
HALF = [0, 0, 10, 5]  # IoU(A, HALF) = 0.5


@pytest.mark.parametrize(
    ("boxes", "scores", "kept"),
    [
        pytest.param([A, SHIFTED], [[0.9], [0.8]], [(0, 0.9)], id="the better of two is kept"),
        pytest.param([A, FAR], [[0.5], [0.9]], [(0, 0.9), (0, 0.5)], id="far boxes stay, sorted"),
        pytest.param([A, SHIFTED], [[0.9, 0], [0, 0.8]], [(0, 0.9), (1, 0.8)], id="per class"),
        pytest.param([A], [[0.9, 0.8]], [(0, 0.9), (1, 0.8)], id="one box, two labels"),
        pytest.param([A], [[0.5, 0.5]], [(0, 0.5), (1, 0.5)], id="equal labels by class"),
        pytest.param([A], [[0.1]], [], id="the score threshold is strict"),
        pytest.param([[0, 0, np.inf, 9], A], [[0.9], [0.8]], [(0, 0.8)], id="infinite box"),
        pytest.param([[0, 0, 2e30, 9], A], [[0.9], [0.8]], [(0, 0.8)], id="infinite in pixels"),
        pytest.param([[0, np.nan, 9, 9], A], [[0.9], [0.8]], [(0, 0.8)], id="box without a place"),
        pytest.param([A, FAR], [[np.nan], [0.8]], [(0, 0.8)], id="score that is no number"),
        pytest.param(
            [A, FAR], [[0.9, np.nan], [0, 0.8]], [(1, 0.8)], id="it takes its box's others along"
        ),
        pytest.param([A, A], [[0.5], [0.5]], [(0, 0.5)], id="identical boxes, equal scores"),
        pytest.param([[0, 0, 0, 0]] * 2, [[0.5], [0.4]], [(0, 0.5), (0, 0.4)], id="empty boxes"),
    ],
)
def test_default_keeps(boxes, scores, kept):
    found, out = run("default", boxes, scores)
    assert found == kept
    assert not out["boxes"][len(kept) :].any()


@pytest.mark.parametrize(
    ("kind", "other", "limits", "count"),
    [
        pytest.param("default", HALF, {"iou_threshold": 0.5}, 2, id="0.5 does not exceed 0.5"),
        pytest.param("default", HALF, {"iou_threshold": 0.499}, 1, id="0.5 exceeds 0.499"),
        # Centres 2.5 apart, diagonal² 200: 0.5 − (6.25/200)^0.6 = 0.5 − 0.125 = 0.375.
        pytest.param("greedynms", HALF, {"iou_threshold": 0.376}, 2, id="distance is taken off"),
        pytest.param("greedynms", HALF, {"iou_threshold": 0.374}, 1, id="but no more than that"),
        # 0.5 − 6.25/200 = 0.46875
        pytest.param("diounms", HALF, {"iou_threshold": 0.469, "beta": 1.0}, 2, id="beta 1"),
        pytest.param("diounms", HALF, {"iou_threshold": 0.468, "beta": 1.0}, 1, id="beta 1, below"),
        pytest.param("fast", HALF, {"iou_threshold": 0.5}, 2, id="fast: 0.5 does not exceed 0.5"),
        pytest.param("fast", HALF, {"iou_threshold": 0.499}, 1, id="fast: 0.5 exceeds 0.499"),
        pytest.param("greedynms", A, {"iou_threshold": 0.99}, 1, id="no distance, nothing off"),
        pytest.param("diounms", A, {"iou_threshold": 0.99, "beta": 0.9}, 1, id="nor by a power"),
    ],
)
def test_what_exceeds_the_threshold(kind, other, limits, count):
    found, _ = run(kind, [A, other], [[0.9], [0.8]], **limits)
    assert len(found) == count


@pytest.mark.parametrize(
    ("kind", "height", "count"),
    [
        pytest.param("default", 44, 2, id="0.44"),
        pytest.param("default", 46, 1, id="0.46"),
        pytest.param("fast", 44, 2, id="fast: 0.44"),
        pytest.param("fast", 46, 1, id="fast: 0.46"),
        # Centres (100 − height)/2 apart, diagonal² 20000: 0.55 − (22.5²/20000)^0.6 = 0.440, and
        # 0.56 − (22²/20000)^0.6 = 0.453.
        pytest.param("greedynms", 55, 2, id="greedynms: 0.440"),
        pytest.param("greedynms", 56, 1, id="greedynms: 0.453"),
        pytest.param("diounms", 55, 2, id="diounms: 0.440"),
        pytest.param("diounms", 56, 1, id="diounms: 0.453"),
    ],
)
def test_the_thresholds_are_darknets_by_default(kind, height, count):
    boxes = [[0, 0, 100, 100], [0, 0, 100, height], [500, 500, 600, 600]]
    scores = [[0.9], [0.8], [0.25]]  # the last does not exceed 0.25
    found = NMS[kind](*(ops.convert_to_tensor(np.float32([array])) for array in (boxes, scores)))
    assert ops.convert_to_numpy(found["count"]).tolist() == [count]
    assert found["boxes"].shape == (1, 300, 4)


@pytest.mark.parametrize(
    ("kind", "keys", "score"),
    [
        # IoU 1/2: exp(−(1/2)²/0.5) and exp(−2·(1/2)²)
        pytest.param("soft", {}, 0.8 * np.exp(-0.5), id="sigma of soft NMS is 0.5"),
        pytest.param("matrix", {}, 0.8 * np.exp(-0.5), id="sigma of matrix NMS is 2"),
        pytest.param("soft", {"decay": "linear"}, 0.8 * 0.5, id="linear"),
        pytest.param("soft", {"decay": "linear", "iou_threshold": 0.5}, 0.4, id="from it on"),
        pytest.param("soft", {"decay": "linear", "iou_threshold": 0.501}, 0.8, id="not before"),
        pytest.param("matrix", {"decay": "linear"}, 0.4, id="matrix, linear"),
    ],
)
def test_what_a_score_is_lowered_to(kind, keys, score):
    boxes, scores = (ops.convert_to_tensor(np.float32([x])) for x in ([A, HALF], [[0.9], [0.8]]))
    found = ops.convert_to_numpy(NMS[kind](boxes, scores, **keys)["scores"])
    assert found[0, :3] == pytest.approx([0.9, score, 0])


def test_a_suppressed_box_suppresses_nobody():
    # A–B and B–C overlap by 2/3, A–C by 3/7 < 0.45: A removes B, so C stays.
    boxes = [[0, 0, 10, 10], [2, 0, 12, 10], [4, 0, 14, 10]]
    found, _ = run("default", boxes, [[0.9], [0.8], [0.7]])
    assert found == [(0, 0.9), (0, 0.7)]


def test_limits_are_kept_and_told():
    boxes = [[20 * i, 0, 20 * i + 10, 10] for i in range(40)]
    found, out = run("default", boxes, [[0.5 + i / 100] for i in range(40)])
    assert len(found) == 8
    assert out["candidates"] == 33  # more than max_candidates = 32
    assert found[0] == (0, 0.89)


@pytest.mark.parametrize("kind", ["default", "matrix", "soft"])
def test_many_boxes_with_a_score_that_is_no_number_hide_none(kind):
    # More of them than are drawn at once, and their other class scores best.
    boxes = np.float32([[20 * i, 0, 20 * i + 10, 10] for i in range(320)])
    scores = np.float32([[0.9, np.nan]] * 300 + [[0.5, 0]] * 20)
    limits = {"score_threshold": 0.1, "max_candidates": 128, "max_detections": 30}
    function = xla(lambda boxes, scores: NMS[kind](boxes, scores, **limits))
    found = function(*(ops.convert_to_tensor(array[None]) for array in (boxes, scores)))
    np.testing.assert_array_equal(ops.convert_to_numpy(found["count"]), [20])
    np.testing.assert_array_equal(ops.convert_to_numpy(found["boxes"])[0, :20], boxes[300:])


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    number=st.sampled_from([64, 6400, 22743]),
    k=st.integers(1, 9),
    levels=st.integers(1, 99),
)
@example(seed=0, number=6400, k=6, levels=9999)  # groups of groups: 6,400, 400 and 25 of them
@example(seed=0, number=22743, k=1, levels=1)  # of which neither level divides into groups
def test_the_largest_of_many_in_groups(seed, number, k, levels):
    values = np.random.default_rng(seed).integers(0, levels, (2, number)).astype("float32")
    first = np.argsort(-values, axis=1, kind="stable")[:, :k]  # of equals those that come first
    found = largest(ops.convert_to_tensor(values), k)
    np.testing.assert_array_equal(ops.convert_to_numpy(found), np.sort(first, axis=1))


COUNT, CLASSES = 256, 3  # one shape, compiled once: 768 pairs are several draws


def test_portions_go_on_where_the_one_before_ended():
    # 1,100 boxes side by side, in draws of 96; of equal scores some are apart in two.
    boxes = [[20 * i, 0, 20 * i + 10, 10] for i in range(1100)]
    scores = np.float32([[0.9 - (i + 1) // 2 / 1000] for i in range(1100)])
    _, out = run("default", boxes, scores, max_candidates=1090, max_detections=1100)
    assert out["count"] == 1090
    np.testing.assert_array_equal(out["boxes"][:1090], boxes[:1090])


OPTIONS = {"score_threshold": 0.25, "max_candidates": 704, "max_detections": 160}


@pytest.fixture(scope="module")
def compiled():
    """`default` for one image, in NumPy."""
    function = xla(lambda boxes, scores: NMS["default"](boxes, scores, **OPTIONS))

    def run(boxes, scores):
        found = function(*(ops.convert_to_tensor(array[None]) for array in (boxes, scores)))
        return {key: ops.convert_to_numpy(value)[0] for key, value in found.items()}

    return run


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    number=st.integers(0, COUNT),
    span=st.integers(1, 60),
    levels=st.integers(1, 1000),
    strange=st.sampled_from([0.0, 0.1]),
)
@example(seed=0, number=0, span=9, levels=9, strange=0.0)  # no candidate
@example(seed=0, number=COUNT, span=60, levels=1, strange=0.0)  # 768 equal scores
@example(seed=0, number=COUNT, span=1, levels=999, strange=0.0)  # all overlap
@example(seed=0, number=COUNT, span=20, levels=99, strange=0.1)
def test_as_darknet_goes(compiled, seed, number, span, levels, strange):
    boxes, scores = crowd(seed, number, span, levels, strange)
    found, want = compiled(boxes, scores), greedy(boxes, scores, **OPTIONS)
    count = int(found["count"])
    assert found["classes"][:count].tolist() == [pair.label for pair in want]
    np.testing.assert_array_equal(found["scores"][:count], [pair.score for pair in want])
    np.testing.assert_array_equal(found["boxes"][:count], boxes[[pair.row for pair in want]])
    everything = len(candidates(boxes, scores, score_threshold=0.25, max_candidates=None))
    if count < OPTIONS["max_detections"]:  # or it ends before it has looked at all
        told = min(int(found["candidates"]), OPTIONS["max_candidates"] + 1)
        assert told == min(everything, OPTIONS["max_candidates"] + 1)
    assert found["candidates"] <= everything


def test_eager_equals_xla(compiled):
    boxes, scores = crowd(0, COUNT, 30, 200, 0.1)
    found = compiled(boxes, scores)
    _, eager = run("default", boxes, scores, **OPTIONS)
    assert found["count"] > 64  # more than a block
    for key in found:
        np.testing.assert_array_equal(found[key], eager[key])


def crowd(seed, number, span, levels, strange):
    """Boxes on a grid of `span`, some without area, and scores of so many levels; the rest is 0."""
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, span, (COUNT, 2))
    boxes = np.concatenate([corner, corner + rng.integers(0, 12, (COUNT, 2))], 1).astype("float32")
    scores = (rng.integers(1, levels + 1, (COUNT, CLASSES)) / levels).astype("float32")
    scores[number:] = 0
    boxes[rng.random(boxes.shape) < strange] = np.inf
    scores[rng.random(scores.shape) < strange] = np.nan
    return boxes, scores


def test_batches_of_any_size_go_through_one_graph():
    boxes, scores = crowd(0, COUNT, 30, 200, 0.0)
    images = keras.Input((COUNT, 4)), keras.Input((COUNT, CLASSES))
    model = keras.Model(images, Suppress()(images))
    for batch in (1, 3, 2, 5):
        found = model.predict([np.stack([part] * batch) for part in (boxes, scores)], verbose=0)
        assert len(found) == batch and (found == found[0]).all() and found[0] > 0
    if keras.backend.backend() == "tensorflow":  # JAX has one for each size
        assert model.layers[-1].traces == 2  # for the first size, and then for any


class Suppress(keras.layers.Layer):
    traces = 0

    def call(self, inputs):
        self.traces += 1
        return NMS["default"](*inputs, **OPTIONS)["count"]

    def compute_output_shape(self, shapes):
        return shapes[0][:1]


NONSENSE = {
    "score_threshold": [25, float("nan"), "a"],
    "iou_threshold": [45, -0.1],
    "sigma": [0, float("nan"), float("inf")],
    "beta": [-1, float("inf")],
    "max_detections": [2.5],
    "max_candidates": [0],
}


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        (kind, key, value)
        for kind in ("default", "greedynms", "diounms", "fast", "matrix", "soft")
        for key in inspect.signature(NMS[kind]).parameters
        for value in NONSENSE.get(key, [])
    ],
)
def test_numbers_that_mean_nothing_are_refused(kind, key, value):
    boxes, scores = np.zeros((1, 5, 4), "float32"), np.zeros((1, 5, 2), "float32")
    with pytest.raises(ZooError, match=f"nms {key}={value}: must be "):
        NMS[kind](boxes, scores, **{key: value})
