"""The loss of YOLOv3 and YOLOv4: Darknet's cost with its hand-made deltas as gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from keras import ops

from zoo.errors import ZooError, nearest
from zoo.loss.assignment import Assignment, assign
from zoo.loss.darknet import darknet_cost, darknet_deltas
from zoo.loss.exact import exact_parts
from zoo.loss.level import ENTRIES, Level, by_anchor, decode, per_image
from zoo.loss.settings import settings_by_level

GRADIENTS = ("darknet", "exact")


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
    a prediction add up in its box and unite in its classes.

    With `gradient: darknet` the value is the cost that Darknet prints and the gradient is minus its
    delta, which is not the derivative of that value: see `zoo.loss.box_gradients`, and no slope of
    a sigmoid appears in x and y. With `gradient: exact` they belong together: see
    `zoo.loss.exact`, which has none of Darknet's departures.

    All arguments but `head` and `gradient` are one for all levels, or a mapping by level.

    Args:
        head: the head that predicts: `num_classes`, `anchors`, `masks`, `strides`, `cxcywh`,
            `probabilities`, `new_coords`.
        gradient: darknet or exact.
        box: mse, iou, giou, diou or ciou (Darknet's `iou_loss`).
        ignore_threshold: IoU with a truth above which objectness is not pushed to 0
            (`ignore_thresh`).
        truth_threshold: IoU with a truth above which a prediction trains as if assigned to it; 1 is
            never (`truth_thresh`).
        iou_threshold: IoU of sizes above which an anchor is assigned besides the best one; 1 is
            never (`iou_thresh`).
        box_normalizer: weight of the box part (`iou_normalizer`).
        objectness_normalizer: weight of the objectness part (`obj_normalizer`).
        class_normalizer: weight of the class of a prediction's first truth (`cls_normalizer`); as
            in Darknet it acts only with `class_counts`; exact: of all classes, always.
        max_delta: bound of a box delta, in all box losses but mse; null is none. Exact: has none.
        label_smoothing: ε of the class targets 1 − ε/2 and ε/2 (`label_smooth_eps`).
        objectness_smooth: objectness learns the IoU with the nearest truth instead of 1. As in
            Darknet, an assigned prediction below `ignore_threshold` then learns 0; exact: only
            assigned predictions learn it, and all of them.
        focal: focal loss of the classes, α = ½, γ = 2 (`focal_loss`).
        class_counts: how often each class occurs (`counters_per_class`): rare classes weigh more,
            in proportion, at most `max_delta` times.

    Raises:
        ZooError: an unknown gradient or box loss, settings for other levels than the head's, a
            number out of its range, counts that do not fit its classes, or a `truth_threshold`
            with `exact`.
    """

    def __init__(
        self,
        head: Any,
        *,
        gradient: str = "darknet",
        box: str | Mapping[str, str] = "ciou",
        ignore_threshold: float | Mapping[str, float] = 0.7,
        truth_threshold: float | Mapping[str, float] = 1.0,
        iou_threshold: float | Mapping[str, float] = 1.0,
        box_normalizer: float | Mapping[str, float] = 0.75,
        objectness_normalizer: float | Mapping[str, float] = 1.0,
        class_normalizer: float | Mapping[str, float] = 1.0,
        max_delta: float | Mapping[str, float] | None = None,
        label_smoothing: float | Mapping[str, float] = 0.0,
        objectness_smooth: bool | Mapping[str, bool] = False,
        focal: bool | Mapping[str, bool] = False,
        class_counts: Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    ):
        self.head = head
        self.gradient = _check_gradient(gradient)
        self.settings = settings_by_level(
            head,
            box=box,
            ignore_threshold=ignore_threshold,
            truth_threshold=truth_threshold,
            iou_threshold=iou_threshold,
            box_normalizer=box_normalizer,
            objectness_normalizer=objectness_normalizer,
            class_normalizer=class_normalizer,
            max_delta=max_delta,
            label_smoothing=label_smoothing,
            objectness_smooth=objectness_smooth,
            focal=focal,
            class_counts=class_counts,
        )
        thresholds = [of_level.truth_threshold for of_level in self.settings.values()]
        if gradient == "exact" and min(thresholds) < 1:
            raise ZooError("loss truth_threshold below 1 is Darknet's: set gradient=darknet")

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
            Darknet's network cost. With `gradient: exact` both are a sum.
        """
        parts = dict.fromkeys(ENTRIES, 0.0)
        for name in self.head.masks:
            raw = by_anchor(self.head, name, predictions[name])
            if self.gradient == "exact":
                level = decode(self.head, name, truth, raw)
                exact = exact_parts(level, self._pairs(name, level), self.settings[name])
                parts = {part: parts[part] + exact[part] for part in ENTRIES}
                continue
            deltas, cost = self.level(name, truth, ops.stop_gradient(raw))
            # Zero, whose derivative is minus delta.
            descent = ops.stop_gradient(deltas) * (ops.stop_gradient(raw) - raw)
            for part, entries in ENTRIES.items():
                value = ops.stop_gradient(cost[part]) / len(self.head.masks)
                parts[part] += value + per_image(descent[..., entries])
        return parts

    def level(self, name: str, truth: Mapping[str, Any], raw: Any) -> LevelLoss:
        """Deltas and cost of the level `name`, from (batch, h, w, anchors, 5 + classes)."""
        level = decode(self.head, name, truth, raw)
        pairs = self._pairs(name, level)
        deltas = darknet_deltas(level, pairs, self.settings[name])
        return LevelLoss(deltas, darknet_cost(level, pairs, deltas, self.settings[name]))

    def _pairs(self, name: str, level: Level) -> Assignment:
        return assign(
            level.truth,
            level.anchors,
            self.head.masks[name],
            level.shape[1:3],
            iou_threshold=self.settings[name].iou_threshold,
        )


def _check_gradient(gradient: str) -> str:
    if gradient not in GRADIENTS:
        raise ZooError(f"no loss gradient {gradient!r}; {nearest(gradient, GRADIENTS)}")
    return gradient
