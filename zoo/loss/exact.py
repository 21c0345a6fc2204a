"""The YOLO loss as a textbook has it: the gradient is the derivative of the value."""

from __future__ import annotations

from typing import Any

from keras import ops

from zoo.loss.assignment import Assignment
from zoo.loss.class_deltas import FOCAL_ALPHA, class_weights
from zoo.loss.level import Level, per_image
from zoo.loss.overlap import OVERLAPS, cross_entropy
from zoo.loss.settings import Settings


def exact_parts(level: Level, pairs: Assignment, settings: Settings) -> dict[str, Any]:
    """The parts "box", "objectness" and "class" of one level, float32 (batch,), to differentiate.

    Box: 1 − overlap [giou; diou], or half the squared error of the decoded box; summed over pairs.
    Objectness and classes: cross-entropy. A prediction without truth that overlaps one by more
    than `ignore_threshold` is spared, whatever class it recognises.
    """
    hits, weights = level.hits(), class_weights(settings, level.num_classes)
    of_pair = ops.sum(hits[..., 1:] * weights, axis=-1)
    overlap, box = _boxes(level, pairs, settings)
    box = ops.sum(ops.where(pairs.chosen, of_pair * box, 0.0), axis=(1, 2))
    sums = level.add_up(pairs, ops.where(pairs.chosen[..., None], hits, 0.0))
    positive, targets = sums[..., 0] > 0, ops.minimum(sums[..., 1:], 1.0)
    objectness = _objectness(level, pairs, positive, overlap, settings)
    classes = _classes(level, targets, settings) * weights
    classes = ops.where(positive[..., None], classes, 0.0)
    return {
        "box": settings.box_normalizer * box,
        "objectness": settings.objectness_normalizer * per_image(objectness[..., None]),
        "class": settings.class_normalizer * per_image(classes),
    }


def _boxes(level: Level, pairs: Assignment, settings: Settings) -> tuple[Any, Any]:
    """Overlap of each pair, no gradient, and its box loss, (batch, n, anchors)."""
    predicted, truth = level.boxes_of(pairs)
    overlap = ops.stop_gradient(OVERLAPS["iou"](predicted, truth))
    if settings.box != "mse":
        return overlap, 1 - OVERLAPS[settings.box](predicted, truth)
    offset = (predicted[..., 0:2] - truth[..., 0:2]) * level.cells
    size = ops.log(ops.maximum(predicted[..., 2:4], 1e-7) / ops.maximum(truth[..., 2:4], 1e-7))
    error = ops.sum(ops.square(offset) + ops.square(size), axis=-1) / 2
    return overlap, (2 - truth[..., 2] * truth[..., 3]) * error


def _objectness(
    level: Level, pairs: Assignment, positive: Any, overlap: Any, settings: Settings
) -> Any:
    target = ops.cast(positive, "float32")
    if settings.objectness_smooth:
        # The best overlap of a prediction with the truths that are its own.
        target = level.largest(pairs, overlap)
    nearest, _ = level.nearest_truth()
    spared = ops.logical_and(nearest > settings.ignore_threshold, ops.logical_not(positive))
    return ops.where(spared, 0.0, cross_entropy(level, level.raw[..., 4], target))


def _classes(level: Level, targets: Any, settings: Settings) -> Any:
    targets = ops.stop_gradient(targets)
    if settings.focal:  # [retinanet, eq. 5], γ = 2
        miss = ops.abs(targets - level.classes)
        return FOCAL_ALPHA * ops.square(miss) * cross_entropy(level, level.raw[..., 5:], targets)
    smoothed = targets * (1 - settings.label_smoothing) + settings.label_smoothing / 2
    return cross_entropy(level, level.raw[..., 5:], smoothed)
