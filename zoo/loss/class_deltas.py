"""Darknet's class deltas, and the order of truths that they depend on.

The first truth of a prediction trains all classes, a later one its own class alone
[yolo_layer.c:delta_yolo_class]. It shows only with `class_counts` and `focal`, whose factors differ
between the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from zoo.loss.assignment import Assignment
from zoo.loss.level import Level
from zoo.loss.settings import Settings

#: Weight of the focal loss in Darknet, whose γ is 2 [retinanet, eq. 5].
FOCAL_ALPHA = 0.5


class Targets(NamedTuple):
    """What the classes of each prediction learn, each (batch, h, w, anchors, classes).

    Attributes:
        first: bool, the class of the first truth (of any truth, if the order does not show).
        later: bool, classes that are set once more.
        aim: probability that `later` classes learn.
    """

    first: Any
    later: Any
    aim: Any


def class_deltas(level: Level, targets: Targets, settings: Settings) -> Any:
    """Deltas of the class entries, (batch, h, w, anchors, classes)."""
    probabilities = level.classes
    weights = class_weights(settings, level.classes.shape[-1])
    first = ops.cast(targets.first, "float32")
    if settings.focal:
        certainty = ops.sum(first * probabilities, axis=-1, keepdims=True)
        deltas = (first - probabilities) * FOCAL_ALPHA * _focal_slope(certainty)
    else:
        smoothing = settings.label_smoothing
        deltas = first * (1 - smoothing) + smoothing / 2 - probabilities
        if settings.class_counts is not None:
            # The only place where Darknet knows its `cls_normalizer`.
            deltas *= ops.where(targets.first, weights * settings.class_normalizer, 1.0)
    deltas = ops.where(targets.later, weights * (targets.aim - probabilities), deltas)
    return ops.where(ops.any(targets.first, axis=-1, keepdims=True), deltas, 0.0)


def order_shows(settings: Settings) -> bool:
    """Whether deltas depend on the order of the truths of one prediction."""
    return settings.focal or settings.class_counts is not None


def first_and_last(level: Level, pairs: Assignment) -> tuple[Any, Any]:
    """Row of the first and of the last truth of each prediction, (batch, h, w, anchors).

    Any row where there is none.
    """
    count = level.truth.classes.shape[1]
    rows = ops.arange(count, dtype="int32")[None, :, None]
    slots = ops.reshape(pairs.slot, (-1, 1))
    found = []
    for start, reduction in ((count - 1, "min"), (0, "max")):
        values = ops.reshape(ops.where(pairs.chosen, rows, start), (-1,))
        nobody = ops.full_like(ops.reshape(level.objectness, (-1,)), start, dtype="int32")
        found.append(ops.scatter_update(nobody, slots, values, reduction=reduction))
    first, last = (ops.reshape(rows, level.shape) for rows in found)
    return first, last


def class_weights(settings: Settings, num_classes: int) -> Any:
    """Largest count over a class's own, at most `max_delta`, (classes,); 1 without counts.

    [parser.c:get_classes_multipliers]
    """
    counts: Sequence[float] = settings.class_counts or [1.0] * num_classes
    weights = np.max(counts) / np.asarray(counts, "float32")
    if settings.class_counts and settings.max_delta is not None:
        weights = np.minimum(weights, settings.max_delta)
    return ops.convert_to_tensor(weights.astype("float32"))


def _focal_slope(probability: Any) -> Any:
    """−(1 − p)·(2p·ln p + p − 1), the slope of the focal loss over that of cross-entropy."""
    p = probability + 1e-15
    return -(1 - p) * (2 * p * ops.log(p) + p - 1)
