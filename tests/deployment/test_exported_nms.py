"""Suppression as it is exported, against that of the Keras detector."""

import keras
import numpy as np
import pytest
from keras import ops

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
