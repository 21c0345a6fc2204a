"""A detector, its decoding and its NMS as one traced function with constant weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from zoo.deployment.suppression import Factors, Known, suppress
from zoo.detector import Detector
from zoo.errors import ZooError
from zoo.ops.boxes import within


def check_backend() -> None:
    """Refuse a backend that cannot trace.

    Raises:
        ZooError: Keras does not run on TensorFlow.
    """
    if (backend := keras.backend.backend()) != "tensorflow":
        raise ZooError(
            f"a model is exported by TensorFlow, not {backend}; set KERAS_BACKEND=tensorflow "
            "(weights of either backend load there)"
        )


def trace(
    detector: Detector,
    *,
    image_size: tuple[int, int],
    batch_size: int,
    windowed: bool,
    nms: Mapping[str, Any] | None,
) -> Any:
    """Images → detections.

    Args:
        detector: the model; fold it first.
        image_size: height and width of the input.
        batch_size: images in a call.
        windowed: as `Detector.predictor`.
        nms: plain config of a greedy NMS part; None for boxes and scores of all anchors.

    Returns:
        A `tf.function` of one signature: `images` float32 (batch, height, width, 3) in [0, 1] and,
        if `windowed`, `window` (batch, 4), to a dictionary as `Detector.predictor` gives it.
    """
    import tensorflow as tf

    names: list[str] = []

    def detect(*inputs: Any) -> list[Any]:
        boxes, scores = _decoded(detector.head, detector(inputs[0], training=False))
        if windowed:
            boxes = within(boxes, inputs[1])
        if nms is None:
            found = {"boxes": boxes, "scores": scores.all()}
        else:
            found = suppress(boxes, scores, nms)
        names[:] = found
        return list(found.values())

    shapes = {"images": (batch_size, *image_size, 3)} | (
        {"window": (batch_size, 4)} if windowed else {}
    )
    signature = [tf.TensorSpec(shape, "float32", name=name) for name, shape in shapes.items()]
    function = tf.function(detect, input_signature=signature, autograph=False)
    return _constant(function.get_concrete_function(), signature, names)


def _decoded(head: Any, predictions: Any) -> tuple[Any, Known | Factors]:
    """Boxes and scores; a third party's head may have them whole only."""
    if not (hasattr(head, "entries") and hasattr(head, "probabilities")):
        boxes, scores = head.decode(predictions)
        return boxes, Known(scores)
    boxes, objectness, classes = head.entries(predictions)
    return boxes, Factors(objectness, classes, head.probabilities)


def _constant(concrete: Any, signature: Any, names: list[str]) -> Any:
    """The same function with its variables as constants, as every converter takes it."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False)

    def call(images: Any, window: Any = None) -> dict[str, Any]:
        values = frozen(images) if window is None else frozen(images, window)
        return dict(zip(names, values, strict=True))

    if len(signature) == 1:
        return tf.function(lambda images: call(images), input_signature=signature, autograph=False)
    return tf.function(
        lambda images, window: call(images, window), input_signature=signature, autograph=False
    )
