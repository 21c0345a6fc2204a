"""Deltas and cost of one level as Darknet computes them [yolo_layer.c:forward_yolo_layer]."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

from zoo.loss.assignment import Assignment
from zoo.loss.box_deltas import Boxes, box_deltas
from zoo.loss.class_deltas import (
    Targets,
    class_deltas,
    class_weights,
    first_and_last,
    order_shows,
)
from zoo.loss.level import ENTRIES, Level, per_image
from zoo.loss.settings import Settings
from zoo.ops.boxes import cxcywh_to_xyxy, giou, iou

#: Only a prediction with a class probability above this, of whatever class, passes the ignore test
#: [yolo_layer.c:compare_yolo_class].
CLASS_THRESHOLD = 0.25


class Assigned(NamedTuple):
    """What the truths leave at each prediction, (batch, h, w, anchors, ·).

    Attributes:
        box: sum of the box deltas, (…, 4).
        hits: number of truths of each class, (…, classes).
        positive: whether there is any truth, (…).
        first: row of the first truth, (…); None where the order does not show.
        last: row of the last truth, (…); None alike.
    """

    box: Any
    hits: Any
    positive: Any
    first: Any
    last: Any


class Nearest(NamedTuple):
    """The truth that each prediction overlaps best, each (batch, h, w, anchors).

    Attributes:
        iou: the overlap.
        row: the truth's row.
        certain: whether the overlap is above `truth_threshold`.
    """

    iou: Any
    row: Any
    certain: Any


def darknet_deltas(level: Level, pairs: Assignment, settings: Settings) -> Any:
    """The descent direction of every entry, float32 (batch, h, w, anchors, 5 + classes)."""
    assigned = _assigned(level, pairs, settings)
    overlap, row = level.nearest_truth()
    # Rounding may give an IoU above 1, and a threshold of 1 means never.
    never = settings.truth_threshold >= 1
    certain = ops.zeros_like(overlap, "bool") if never else overlap > settings.truth_threshold
    nearest = Nearest(overlap, row, certain)
    box = assigned.box
    if not never:
        truth_boxes, _ = level.truth_at(row)
        weights = _weights_at(level, row, settings)
        more = _boxes(level, level.predicted(), truth_boxes, settings, weights)
        box += ops.where(certain[..., None], more, 0.0)
    objectness = _objectness(level, nearest, assigned, settings)[..., None]
    classes = class_deltas(level, _targets(level, nearest, assigned, settings), settings)
    if settings.iou_threshold < 1:
        box = _shared(box, objectness, classes)
    return ops.concatenate([box, objectness, classes], axis=-1)


def _assigned(level: Level, pairs: Assignment, settings: Settings) -> Assigned:
    weights = _class_weight(level.truth.classes, settings, level.num_classes)
    truths = level.truth.boxes[:, :, None]
    boxes = _boxes(level, level.predicted_at(pairs), truths, settings, weights[:, :, None])
    chosen = pairs.chosen[..., None]
    values = [ops.where(chosen, value, 0.0) for value in (boxes, level.hits())]
    sums = level.add_up(pairs, ops.concatenate(values, axis=-1))
    first, last = first_and_last(level, pairs) if order_shows(settings) else (None, None)
    return Assigned(sums[..., 0:4], sums[..., 5:], sums[..., 4] > 0, first, last)


def _boxes(level: Level, predicted: Boxes, truth: Any, settings: Settings, weights: Any) -> Any:
    return box_deltas(
        settings.box,
        predicted,
        truth,
        grid=level.cells,
        new_coords=level.new_coords,
        normalizer=settings.box_normalizer * weights[..., None],
        limit=settings.max_delta,
    )


def _objectness(level: Level, nearest: Nearest, assigned: Assigned, settings: Settings) -> Any:
    probability, smooth = level.objectness, settings.objectness_smooth
    recognised = ops.any(level.classes > CLASS_THRESHOLD, axis=-1)
    spared = ops.logical_and(recognised, nearest.iou > settings.ignore_threshold)
    delta = ops.where(spared, nearest.iou - probability if smooth else 0.0, -probability)
    delta = ops.where(nearest.certain, _confidence(nearest.iou, settings) - probability, delta)
    positive, weights = assigned.positive, 1.0
    if assigned.first is not None:
        weights = _weights_at(level, assigned.first if smooth else assigned.last, settings)
    if smooth:
        # Darknet leaves alone what the tests above have touched: nearly every prediction.
        positive = ops.logical_and(positive, delta == 0)
    delta = ops.where(positive, weights * (1 - probability), delta)
    return settings.objectness_normalizer * delta


def _confidence(overlap: Any, settings: Settings) -> Any:
    """What a prediction above `truth_threshold` learns as objectness and class probability."""
    return ops.square(overlap) if settings.objectness_smooth else ops.ones_like(overlap)


def _targets(level: Level, nearest: Nearest, assigned: Assigned, settings: Settings) -> Targets:
    """Class targets; the nearest truth of a certain prediction comes before all assigned ones."""
    hit = assigned.hits > 0
    if assigned.first is None:
        first, later = hit, ops.zeros_like(hit)
    else:
        _, classes = level.truth_at(assigned.first)
        first = ops.logical_and(_is_class(classes, level), assigned.positive[..., None])
        later = assigned.hits > ops.cast(first, "float32")
    aim = ops.ones_like(level.classes) * (1 - settings.label_smoothing / 2)
    if settings.truth_threshold < 1:
        certain = nearest.certain[..., None]
        _, classes = level.truth_at(nearest.row)
        own = _is_class(classes, level)
        first = ops.where(certain, own, first)
        # Smooth objectness sets the class of the nearest truth again, to the squared IoU.
        again = ops.logical_and(own, settings.objectness_smooth)
        later = ops.where(certain, ops.logical_or(hit, again), later)
        squared = _confidence(nearest.iou, settings)[..., None]
        aim = ops.where(ops.logical_and(certain, ops.logical_not(hit)), squared, aim)
    return Targets(first, later, aim)


def _is_class(classes: Any, level: Level) -> Any:
    return classes[..., None] == ops.arange(level.num_classes, dtype="int32")


def _weights_at(level: Level, row: Any, settings: Settings) -> Any:
    _, classes = level.truth_at(row)
    return _class_weight(classes, settings, level.num_classes)


def _class_weight(classes: Any, settings: Settings, num_classes: int) -> Any:
    """Weight of each class index; 1 without `class_counts`."""
    if settings.class_counts is None:
        return ops.ones_like(classes, dtype="float32")
    known = ops.clip(classes, 0, num_classes - 1)
    return ops.take(class_weights(settings, num_classes), known, axis=0)


def _shared(box: Any, objectness: Any, classes: Any) -> Any:
    """Divide box deltas by the number of growing classes [yolo_layer.c:averages_yolo_deltas].

    Darknet takes it for the number of truths in the prediction.
    """
    growing = ops.sum(ops.cast(classes > 0, "float32"), axis=-1, keepdims=True)
    return ops.where(objectness != 0, box / ops.maximum(growing, 1.0), box)


def darknet_cost(
    level: Level, pairs: Assignment, deltas: Any, settings: Settings
) -> dict[str, Any]:
    """Darknet's reported cost by part, float32 (batch,) each.

    Squared deltas, except that the box part of the IoU family is a mean of 1 − IoU. That mean is
    over the pairs of the whole batch; an image's share of it is the sum over its own pairs divided
    by the number of all.
    """
    cost = {part: per_image(ops.square(deltas[..., e])) for part, e in ENTRIES.items()}
    if settings.box == "mse":
        return cost
    measure = giou if settings.box == "giou" else iou
    predicted = cxcywh_to_xyxy(level.predicted_at(pairs).cxcywh)
    missed = 1 - measure(predicted, cxcywh_to_xyxy(level.truth.boxes)[:, :, None])
    missed = ops.sum(ops.where(pairs.chosen, missed, 0.0), axis=(1, 2))
    count = ops.sum(ops.cast(pairs.chosen, "float32"))
    weight = settings.objectness_normalizer  # of the classes as well, as in Darknet
    return {
        "box": settings.box_normalizer * missed / ops.maximum(count, 1.0),
        "objectness": weight * cost["objectness"],
        "class": weight * cost["class"],
    }
