"""Darknet's YOLO loss: its cost as value, its hand-made deltas as gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from keras import ops

from zoo.loss.assignment import Assignment, assign
from zoo.loss.box_deltas import Boxes, box_deltas, check
from zoo.loss.level import Level, decode
from zoo.ops.boxes import cxcywh_to_xyxy, giou, iou
from zoo.ops.levels import per_level

#: Only a prediction with a class probability above this, of whatever class, passes the ignore test
#: [yolo_layer.c:compare_yolo_class].
CLASS_THRESHOLD = 0.25

#: The parts of the loss, and the entries of a prediction that each of them trains.
ENTRIES = {"box": slice(0, 4), "objectness": slice(4, 5), "class": slice(5, None)}


class LevelLoss(NamedTuple):
    """What one level contributes.

    Attributes:
        deltas: Darknet's delta, the descent direction of the raw predictions, float32
            (batch, h, w, anchors, 5 + classes).
        cost: Darknet's reported cost by part, float32 (batch,) each.
    """

    deltas: Any
    cost: dict[str, Any]


class YoloLoss:
    """Loss of anchor-based heads, as Darknet trains them [yolov3, §2.1; yolo_layer.c].

    Each truth trains the best-fitting anchor in the cell of its centre. Every other prediction
    learns objectness 0, unless it overlaps some truth well (`ignore_threshold`). Truths that share
    a prediction add up in its box and unite in its classes. This does not depend on their order;
    Darknet's does where a class probability is exactly its target.

    The value is the cost that Darknet prints; the gradient is minus its delta, which is not the
    derivative of that value: see `zoo.loss.box_gradients`, and no slope of a sigmoid appears.

    Arguments marked † are one number, or one for each level.

    Args:
        head: the head that predicts: `num_classes`, `anchors`, `masks`, `strides`, `cxcywh`.
        box: mse, iou, giou, diou or ciou (Darknet's `iou_loss`).
        ignore_threshold: IoU with a truth above which objectness is not pushed to 0
            (`ignore_thresh`).
        truth_threshold: IoU with a truth above which a prediction trains as if assigned to it; 1 is
            never (`truth_thresh`).
        iou_threshold: IoU of sizes above which an anchor is assigned besides the best one; 1 is
            never (`iou_thresh`).
        box_normalizer: † weight of the box part (`iou_normalizer`).
        objectness_normalizer: † weight of the objectness part (`obj_normalizer`).
        max_delta: † bound of a box delta, in all box losses but mse; null is none.
        label_smoothing: ε of the class targets 1 − ε/2 and ε/2 (`label_smooth_eps`).
        objectness_smooth: objectness learns the IoU with the nearest truth instead of 1. As in
            Darknet, an assigned prediction below `ignore_threshold` then learns 0.

    Raises:
        ZooError: an unknown box loss, or numbers for other levels than the head's.
    """

    def __init__(
        self,
        head: Any,
        *,
        box: str = "ciou",
        ignore_threshold: float = 0.7,
        truth_threshold: float = 1.0,
        iou_threshold: float = 1.0,
        box_normalizer: float | Mapping[str, float] = 0.75,
        objectness_normalizer: float | Mapping[str, float] = 1.0,
        max_delta: float | Mapping[str, float] | None = None,
        label_smoothing: float = 0.0,
        objectness_smooth: bool = False,
    ):
        self.head = head
        self.box = check(box)
        self.ignore_threshold = ignore_threshold
        self.truth_threshold = truth_threshold
        self.iou_threshold = iou_threshold
        self.box_normalizer = per_level("loss box_normalizer", box_normalizer, head.masks)
        self.objectness_normalizer = per_level(
            "loss objectness_normalizer", objectness_normalizer, head.masks
        )
        self.max_delta = per_level("loss max_delta", max_delta, head.masks)
        self.label_smoothing = label_smoothing
        self.objectness_smooth = objectness_smooth

    def __call__(self, truth: Mapping[str, Any], predictions: Mapping[str, Any]) -> dict[str, Any]:
        """The parts of the loss for each image.

        Args:
            truth: "boxes", xyxy in pixels of the network input, (batch, n, 4); "classes", integers
                (batch, n), -1 for padding. Rows with a class that the head does not have train
                nothing.
            predictions: raw, float (batch, h, w, anchors · (5 + classes)) per level.

        Returns:
            "box", "objectness" and "class", float32 (batch,). As in Darknet the value is a mean
            over the levels and the gradient a sum; over all parts and images the values add up to
            Darknet's network cost.
        """
        parts = dict.fromkeys(ENTRIES, 0.0)
        for name in self.head.masks:
            raw = self._by_anchor(name, predictions[name])
            deltas, cost = self.level(name, truth, ops.stop_gradient(raw))
            # Zero, whose derivative is minus delta.
            descent = ops.stop_gradient(deltas) * (ops.stop_gradient(raw) - raw)
            for part, entries in ENTRIES.items():
                value = ops.stop_gradient(cost[part]) / len(self.head.masks)
                parts[part] += value + _per_image(descent[..., entries])
        return parts

    def level(self, name: str, truth: Mapping[str, Any], raw: Any) -> LevelLoss:
        """Deltas and cost of the level `name`, from (batch, h, w, anchors, 5 + classes)."""
        level = decode(self.head, name, truth, raw)
        pairs = assign(
            level.truth,
            level.anchors,
            self.head.masks[name],
            level.shape[1:3],
            iou_threshold=self.iou_threshold,
        )
        box, positive, classes = self._assigned(name, level, pairs)
        best, row = level.nearest_truth()
        # Rounding may give an IoU above 1, and a threshold of 1 means never.
        certain = ops.logical_and(best > self.truth_threshold, self.truth_threshold < 1)
        if self.truth_threshold < 1:
            more_box, more_classes = self._certain(name, level, best, row)
            box += ops.where(certain[..., None], more_box, 0.0)
            classes = ops.where(certain[..., None], ops.maximum(classes, more_classes), classes)
        objectness = self._objectness(name, level, best, certain, positive)[..., None]
        classes = self._class_deltas(level, classes)
        if self.iou_threshold < 1:
            box = _shared(box, objectness, classes)
        deltas = ops.concatenate([box, objectness, classes], axis=-1)
        return LevelLoss(deltas, self._cost(name, level, pairs, deltas))

    def _by_anchor(self, name: str, raw: Any) -> Any:
        shape = (*ops.shape(raw)[:3], len(self.head.masks[name]), 5 + self.head.num_classes)
        return ops.reshape(ops.cast(raw, "float32"), shape)

    def _assigned(self, name: str, level: Level, pairs: Assignment) -> tuple[Any, Any, Any]:
        """Box deltas, whether assigned, and class targets in {0, 1}, of each prediction."""
        boxes = self._boxes(name, level, level.predicted_at(pairs), level.truth.boxes[:, :, None])
        chosen = pairs.chosen[..., None]
        labels = ops.one_hot(level.truth.classes, self.head.num_classes, dtype="float32")
        hits = ops.concatenate([ops.ones_like(labels[..., :1]), labels], axis=-1)[:, :, None]
        pair_values = ops.concatenate(
            [ops.where(chosen, boxes, 0.0), ops.where(chosen, hits, 0.0)], axis=-1
        )
        sums = level.add_up(pairs, pair_values)
        return sums[..., 0:4], sums[..., 4] > 0, ops.minimum(sums[..., 5:], 1.0)

    def _certain(self, name: str, level: Level, best: Any, row: Any) -> tuple[Any, Any]:
        """Box deltas and class targets of each prediction as if its nearest truth were its own."""
        truth_boxes, truth_classes = level.truth_at(row)
        boxes = self._boxes(name, level, level.predicted(), truth_boxes)
        labels = ops.one_hot(truth_classes, self.head.num_classes, dtype="float32")
        return boxes, labels * self._confidence(best)[..., None]

    def _boxes(self, name: str, level: Level, predicted: Boxes, truth: Any) -> Any:
        return box_deltas(
            self.box,
            predicted,
            truth,
            grid=level.cells,
            normalizer=self.box_normalizer[name],
            limit=self.max_delta[name],
        )

    def _objectness(self, name: str, level: Level, best: Any, certain: Any, positive: Any) -> Any:
        probability = level.objectness
        recognised = ops.any(level.classes > CLASS_THRESHOLD, axis=-1)
        spared = ops.logical_and(recognised, best > self.ignore_threshold)
        smooth = best - probability if self.objectness_smooth else 0.0
        delta = ops.where(spared, smooth, -probability)
        delta = ops.where(certain, self._confidence(best) - probability, delta)
        if self.objectness_smooth:
            # Darknet leaves alone what the tests above have touched: nearly every prediction.
            positive = ops.logical_and(positive, delta == 0)
        return self.objectness_normalizer[name] * ops.where(positive, 1 - probability, delta)

    def _confidence(self, best: Any) -> Any:
        """What a prediction above `truth_threshold` learns as objectness and class probability."""
        return ops.square(best) if self.objectness_smooth else ops.ones_like(best)

    def _class_deltas(self, level: Level, targets: Any) -> Any:
        trained = ops.any(targets > 0, axis=-1, keepdims=True)
        targets = targets * (1 - self.label_smoothing) + self.label_smoothing / 2
        return ops.where(trained, targets - level.classes, 0.0)

    def _cost(self, name: str, level: Level, pairs: Assignment, deltas: Any) -> dict[str, Any]:
        """Squared deltas, except that the box part of the IoU family is a mean of 1 − IoU.

        That mean is over the pairs of the whole batch; an image's share of it is the sum over its
        own pairs divided by the number of all.
        """
        cost = {part: _per_image(ops.square(deltas[..., e])) for part, e in ENTRIES.items()}
        if self.box == "mse":
            return cost
        measure = giou if self.box == "giou" else iou
        predicted = cxcywh_to_xyxy(level.predicted_at(pairs).cxcywh)
        missed = 1 - measure(predicted, cxcywh_to_xyxy(level.truth.boxes)[:, :, None])
        missed = ops.sum(ops.where(pairs.chosen, missed, 0.0), axis=(1, 2))
        count = ops.sum(ops.cast(pairs.chosen, "float32"))
        weight = self.objectness_normalizer[name]  # of the classes as well, as in Darknet
        return {
            "box": self.box_normalizer[name] * missed / ops.maximum(count, 1.0),
            "objectness": weight * cost["objectness"],
            "class": weight * cost["class"],
        }


def _shared(box: Any, objectness: Any, classes: Any) -> Any:
    """Divide box deltas by the number of growing classes [yolo_layer.c:averages_yolo_deltas].

    Darknet takes it for the number of truths in the prediction.
    """
    growing = ops.sum(ops.cast(classes > 0, "float32"), axis=-1, keepdims=True)
    return ops.where(objectness != 0, box / ops.maximum(growing, 1.0), box)


def _per_image(values: Any) -> Any:
    return ops.sum(values, axis=(1, 2, 3, 4))
