"""Suppression as it is exported, against that of the Keras detector."""

import inspect
import itertools

import keras
import numpy as np
import pytest
from keras import ops

from zoo.deployment.graph import _decoded
from zoo.deployment.suppression import Factors, Known, suppress
from zoo.errors import ZooError
from zoo.registry import NMS

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow traces what is exported", allow_module_level=True)
import tensorflow as tf

LIMITS = {"iou_threshold": 0.45, "max_detections": 160}


@pytest.mark.parametrize("kind", ["default", "greedynms"])
@pytest.mark.parametrize("threshold", [0.25, 0.9])
@pytest.mark.parametrize("strange", [0.0, 0.02])
def test_the_same_of_a_crowd(kind, threshold, strange):
    # Some coordinates are infinite, some scores no number, which takes the box's others along.
    rng = np.random.default_rng(0)
    corner = rng.integers(0, 40, (2, 300, 2))
    boxes = np.concatenate([corner, corner + rng.integers(0, 12, (2, 300, 2))], -1)
    boxes = boxes.astype("float32")
    scores = (rng.integers(1, 100, (2, 300, 3)) / 100).astype("float32")
    boxes[rng.random(boxes.shape) < strange] = np.inf
    scores[rng.random(scores.shape) < strange] = np.nan
    limits = {**LIMITS, "score_threshold": threshold}
    want = NMS[kind](ops.convert_to_tensor(boxes), ops.convert_to_tensor(scores), **limits)
    exported = tf.function(
        lambda b, s: suppress(b, Known(s), {"name": kind, **limits}), autograph=False
    )
    found = exported(tf.constant(boxes), tf.constant(scores))
    assert found["count"].numpy().min() > 10
    for key in ("count", "classes", "scores", "boxes"):
        np.testing.assert_array_equal(found[key], ops.convert_to_numpy(want[key]), err_msg=key)


@pytest.mark.parametrize("limit", [{"max_detections": 0}, {"max_candidates": -5}])
def test_limits_that_let_nothing_through_are_refused(limit):
    boxes, scores = tf.zeros((1, 3, 4)), Known(tf.zeros((1, 3, 2)))
    ((key, value),) = limit.items()
    with pytest.raises(ZooError, match=f"nms {key}={value}: must be a whole number, at least 1"):
        suppress(boxes, scores, {"name": "default", **LIMITS, **limit})


@pytest.mark.parametrize("images", [1, 3])
def test_the_same_of_products_image_by_image(images):
    rng = np.random.default_rng(0)
    corner = rng.integers(0, 40, (images, 200, 2))
    boxes = np.concatenate([corner, corner + rng.integers(1, 12, (images, 200, 2))], -1)
    boxes = boxes.astype("float32")
    objectness = rng.random((images, 200, 1), np.float32)
    classes = rng.random((images, 200, 2), np.float32)
    limits = {**LIMITS, "score_threshold": 0.3}
    scores = ops.convert_to_tensor(objectness * np.square(classes))
    want = NMS["default"](ops.convert_to_tensor(boxes), scores, **limits)
    exported = tf.function(
        lambda b, o, c: suppress(b, Factors(o, c, tf.square), {"name": "default", **limits}),
        autograph=False,
    )
    found = exported(tf.constant(boxes), tf.constant(objectness), tf.constant(classes))
    assert found["count"].numpy().min() > 10
    for key in ("count", "candidates", "classes", "scores", "boxes"):
        np.testing.assert_array_equal(found[key], ops.convert_to_numpy(want[key]), err_msg=key)


class Whole:
    """A head of a stranger that has boxes and scores whole, and entries for something else."""

    def decode(self, raw):
        return raw, raw[..., :2]

    def entries(self, raw):
        raise AssertionError(raw)


def test_entries_alone_are_not_for_exports():
    raw = tf.zeros((1, 3, 4))
    boxes, scores = _decoded(Whole(), raw)
    assert boxes is raw and isinstance(scores, Known)


def both(boxes, scores, cfg):
    """What the Keras detector and an export make of an NMS config: results, or what they say."""
    outcomes = []
    for run in (
        lambda: NMS.build(cfg, ops.convert_to_tensor(boxes), ops.convert_to_tensor(scores)),
        lambda: suppress(tf.constant(boxes), Known(tf.constant(scores)), cfg),
    ):
        try:
            found = run()
            outcomes.append({key: np.asarray(found[key]).tolist() for key in
                             ("count", "classes", "scores", "boxes")})  # fmt: skip
        except ZooError as error:
            outcomes.append(str(error))
    return outcomes


#: Each setting with values that work, so that none is left out.
SETTINGS = {
    "beta": [0.3, 1],
    "score_threshold": [0.25],
    "iou_threshold": [0.3],
    "max_candidates": [8, 4096],
    "max_detections": [3, 40],
    "max_per_class": [None],
    "class_agnostic": [False, True],
    "multi_label": [False, True],
}


@pytest.mark.parametrize("kind", ["default", "greedynms", "diounms"])
def test_every_setting_means_the_same(kind):
    keys = [*inspect.signature(NMS[kind]).parameters][2:]
    assert set(keys) == set(SETTINGS) - ({"beta"} if kind != "diounms" else set())
    rng = np.random.default_rng(3)
    corner = rng.integers(0, 9, (1, 24, 2))
    boxes = np.concatenate([corner, corner + rng.integers(4, 12, (1, 24, 2))], -1)
    boxes = boxes.astype("float32")
    scores = (rng.permutation(48).reshape(1, 24, 2) / 48).astype("float32")
    results = {}
    for values in itertools.product(*(SETTINGS[key] for key in keys)):
        cfg = {"name": kind, **dict(zip(keys, values, strict=True))}
        keras_, exported = both(boxes, scores, cfg)
        assert exported == keras_, cfg
        assert keras_["count"][0] > 1
        results[values] = keras_
    for number, key in enumerate(keys):  # none is without effect
        others = {}
        for values, result in results.items():
            found = others.setdefault((*values[:number], *values[number + 1 :]), [])
            found += [result] if result not in found else []
        assert len(SETTINGS[key]) == 1 or max(map(len, others.values())) > 1, key


@pytest.mark.parametrize(
    ("cfg", "outcome"),
    [
        # Two boxes of 10 × 10, 3 apart: IoU 70 / 130 = 0.538, (d²/c²)^0.6 = (9 / 269)^0.6 = 0.130.
        pytest.param({"name": "default"}, 1, id="0.538 > 0.45"),
        pytest.param({"name": "greedynms"}, 2, id="0.408 < 0.45"),
        pytest.param({"name": "diounms"}, 2, id="of its own exponent"),
        pytest.param({"name": "diounms", "beta": 1.0}, 1, id="0.538 − 0.033 > 0.45"),
        pytest.param({"name": "default", "beta": 0.6}, "'default' takes no 'beta'", id="no beta"),
        pytest.param({"name": "greedynms", "beta": 1}, "'greedynms' takes no 'beta'", id="fixed"),
        pytest.param({"name": "diounms", "beta": None}, "beta=None must be a number", id="null"),
        pytest.param({"name": "diounms", "beta": -1}, "nms beta=-1: must be a nu", id="negative"),
        pytest.param({"name": "default", "class_agnostc": True}, "class_agnostic?", id="misspelt"),
    ],
)
def test_a_setting_is_obeyed_or_refused_by_both(cfg, outcome):
    boxes = np.array([[[0, 0, 10, 10], [3, 0, 13, 10]]], "float32")
    keras_, exported = both(boxes, np.array([[[0.9], [0.8]]], "float32"), cfg)
    assert exported == keras_
    if isinstance(outcome, str):
        assert outcome in keras_
    else:
        assert keras_["count"] == [outcome]


def test_a_limit_of_each_class_is_refused_with_a_remedy():
    boxes, scores = tf.zeros((1, 3, 4)), Known(tf.zeros((1, 3, 2)))
    with pytest.raises(ZooError, match=r"nms max_per_class=5: .*; leave it null, or export"):
        suppress(boxes, scores, {"name": "default", "max_per_class": 5})
