"""Which arrays of a detector hold its classes, and where: weights go by name, not by position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo import building
from zoo.layer.first import First

#: From the end of a network to its start: where the raw predictions of a level may be made.
BACKWARDS = ("head", "neck", "backbone")


def class_arrays(detector: Any) -> dict[int, np.ndarray | None]:
    """The arrays of a detector that hold classes, those of the layers that make raw predictions.

    Args:
        detector: of any head; one with a method `class_channels(level)` says which channels of
            its raw predictions are of which class.

    Returns:
        `id` of a variable → the channels of each class in its last axis, (classes, k), or None
        where nothing says them. Empty for a model without a head.
    """
    head = getattr(detector, "head", None)
    if head is None:
        return {}
    found: dict[int, np.ndarray | None] = {}
    for level, raw in detector.get_layer("head").output.items():
        layer = _predicting(detector, level) if hasattr(head, "class_channels") else None
        arrays = [v for v in layer.variables if v.shape[-1] == raw.shape[-1]] if layer else []
        if not arrays:
            return dict.fromkeys(map(id, _unexplained(detector)))
        found |= dict.fromkeys(map(id, arrays), np.array(head.class_channels(level)))
    return found


def _predicting(detector: Any, level: str) -> Any:
    """The layer whose channels are those of a level's raw predictions; None if several make them.

    A head may only decode what the neck or the backbone, as that of a cfg, predicts.
    """
    for part in BACKWARDS:
        tensor = detector.get_layer(part).output[level]
        while not isinstance(layer := tensor._keras_history.operation, keras.layers.InputLayer):
            if layer.weights:
                return layer
            inputs = layer._inbound_nodes[0].input_tensors
            if len(inputs) > 1 and not isinstance(layer, First):
                return None
            tensor = inputs[0]
        level = layer.name  # of the part before
    return None


def _unexplained(detector: Any) -> list[Any]:
    """The arrays of the head whose shape depends on the number of classes.

    Of a head without arrays: those anywhere that have as many channels as raw predictions.
    """
    ours, pyramid = detector.get_layer("head"), detector.get_layer("neck").output
    if not ours.variables:
        channels = {raw.shape[-1] for raw in ours.output.values()}
        return [v for v in detector.variables if channels.intersection(v.shape)]
    more = len(detector.class_names) + 1
    head = building.build("head", detector.cfg["head"], num_classes=more)
    inputs = {
        level: keras.Input(features.shape[1:], dtype=features.dtype, name=level)
        for level, features in pyramid.items()
    }
    theirs = keras.Model(inputs, dict(head(inputs))).variables
    if len(theirs) != len(ours.variables):  # a layer a class, perhaps
        return list(ours.variables)
    return [a for a, b in zip(ours.variables, theirs, strict=True) if a.shape != b.shape]


def with_classes_by_name(
    ours: Any,
    theirs: Any,
    channels: np.ndarray,
    names: tuple[Sequence[str], Sequence[str]],
) -> np.ndarray:
    """An array of a source, each class at its place in the target.

    Args:
        ours: the variable of the target; of classes that the source lacks it keeps the numbers.
        theirs: that of the source, of the same shape.
        channels: of each class, as from `class_arrays`, the same in both.
        names: the classes of the target, and of the source.

    Returns:
        Of the shape of both.
    """
    before, source = (np.asarray(ops.convert_to_numpy(v.value)) for v in (ours, theirs))
    result = source.copy()  # what is of no class: boxes and objectness
    places = {name: index for index, name in enumerate(names[1])}
    for index, name in enumerate(names[0]):
        known = name in places
        taken = source[..., channels[places[name]]] if known else before[..., channels[index]]
        result[..., channels[index]] = taken
    return result
