"""The loss of ScaledYOLOv4 [scaled-yolov4; ScaledYOLOv4 utils/general.py:compute_loss]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import ops

from zoo.errors import ZooError
from zoo.loss.assignment import Assignment
from zoo.loss.level import ENTRIES, Level, by_anchor, decode, per_image
from zoo.loss.overlap import ciou, cross_entropy
from zoo.loss.settings import check_head
from zoo.ops.levels import per_level
from zoo.ranges import ABOVE_ONE, BELOW_ONE, POSITIVE, WEIGHT, check_number

#: Weight of the objectness of each level, the finest first, by their number.
BALANCES = {3: (4.0, 1.0, 0.4), 4: (4.0, 1.0, 0.4, 0.1), 5: (4.0, 1.0, 0.5, 0.4, 0.1)}
#: Factor of the objectness from four levels on.
MANY_LEVELS = 1.4


class ScaledLoss:
    """Ratio assignment with neighbour cells, CIoU, objectness that learns the overlap.

    A truth trains every anchor whose width and height differ from its own by less than a factor
    `ratio`, in the cell of its centre and in the nearest cell beside and the nearest above or
    below. Value and gradient belong together. Where truths share a prediction, its objectness
    learns the largest overlap; the authors' code leaves to chance which.

    Args:
        head: a head with `new_coords` (centre 2σ − ½, size (2σ)² · anchor).
        ratio: limit of max(w/w', w'/w) and of heights alike.
        box_normalizer: weight of 1 − CIoU, a mean over the pairs of a level.
        objectness_normalizer: weight of the objectness, a mean over the predictions of a level.
        class_normalizer: weight of the classes, a mean over the pairs of a level.
        balance: weight of the objectness of each level, by level; null is the authors' for 3 to 5
            levels.
        label_smoothing: ε of the class targets 1 − ε/2 and ε/2.
        nominal_batch: factor of the whole. The authors sum gradients up to a batch of 64, and their
            learning rate of 0.01 goes with that sum.

    Raises:
        ZooError: a head without `new_coords`, a number out of its range, or a balance that does
            not fit its levels.
    """

    def __init__(
        self,
        head: Any,
        *,
        ratio: float = 4.0,
        box_normalizer: float = 0.05,
        objectness_normalizer: float = 1.0,
        class_normalizer: float = 0.5,
        balance: Mapping[str, float] | None = None,
        label_smoothing: float = 0.0,
        nominal_batch: float = 64.0,
    ):
        check_head(head)
        if not head.new_coords:
            raise ZooError("loss 'scaled' needs a head with new_coords: set model.head.new_coords")
        check_number("loss ratio", ratio, ABOVE_ONE)
        check_number("loss box_normalizer", box_normalizer, WEIGHT)
        check_number("loss objectness_normalizer", objectness_normalizer, WEIGHT)
        check_number("loss class_normalizer", class_normalizer, WEIGHT)
        check_number("loss label_smoothing", label_smoothing, BELOW_ONE)
        check_number("loss nominal_batch", nominal_batch, POSITIVE)
        self.head = head
        self.ratio = ratio
        levels = len(head.masks)
        shared = nominal_batch * 3 / levels
        self.weights = {
            "box": box_normalizer * shared,
            "objectness": objectness_normalizer * shared * (MANY_LEVELS if levels >= 4 else 1.0),
            "class": class_normalizer * shared,
        }
        self.balance = per_level("loss balance", balance or _balance(head), head.masks)
        for weight in self.balance.values():
            check_number("loss balance", weight, WEIGHT)
        self.label_smoothing = label_smoothing

    def __call__(self, truth: Mapping[str, Any], predictions: Mapping[str, Any]) -> dict[str, Any]:
        """The parts of the loss for each image.

        Args:
            truth: "boxes", xyxy in pixels of the network input, (batch, n, 4); "classes", integers
                (batch, n), -1 for padding.
            predictions: raw, float (batch, h, w, anchors · (5 + classes)) per level.

        Returns:
            "box", "objectness" and "class", float32 (batch,), whose means over the batch add up to
            `nominal_batch` times the authors' loss. The means over pairs go over the whole batch:
            an image's share is its own sum, times the batch, by the number of all.
        """
        parts = dict.fromkeys(ENTRIES, 0.0)
        for name in self.head.masks:
            raw = by_anchor(self.head, name, predictions[name])
            level = decode(self.head, name, truth, raw)
            for part, values in self._parts(level, self.balance[name]).items():
                parts[part] += self.weights[part] * values
        return parts

    def _parts(self, level: Level, balance: float) -> dict[str, Any]:
        pairs = assign_by_ratio(level, ratio=self.ratio)
        batch = ops.cast(level.shape[0], "float32")
        weight = ops.cast(pairs.chosen, "float32")
        # A mean over the pairs of the batch, times the batch, spread over the images.
        weight *= batch / ops.maximum(ops.sum(weight), 1.0)
        overlap = ciou(*level.boxes_of(pairs))
        target = level.largest(pairs, overlap)
        objectness = cross_entropy(level, level.raw[..., 4], target)
        cells = ops.cast(ops.size(objectness), "float32") / batch
        labels = ops.one_hot(level.truth.classes, level.num_classes, dtype="float32")
        labels = labels * (1 - self.label_smoothing) + self.label_smoothing / 2
        classes = cross_entropy(level, level.at(pairs, level.raw[..., 5:]), labels[:, :, None])
        return {
            "box": ops.sum(weight * (1 - overlap), axis=(1, 2)),
            "objectness": balance * per_image(objectness[..., None]) / cells,
            "class": ops.sum(weight * ops.mean(classes, axis=-1), axis=(1, 2)),
        }


def assign_by_ratio(level: Level, *, ratio: float) -> Assignment:
    """Anchors of like size in up to three cells, (batch, n, 3 · anchors).

    The order is the anchors in the cell of the centre, in the one beside it, in the one above or
    below it.
    """
    truth, (batch, height, width, anchors) = level.truth, level.shape
    sides = truth.boxes[..., None, 2:4]
    real = ops.logical_and(truth.valid, ops.all(truth.boxes[..., 2:4] > 0, axis=-1))
    safe = ops.where(real[..., None, None], sides, 1.0) / level.own
    fits = ops.max(ops.maximum(safe, 1 / safe), axis=-1) < ratio
    fits = ops.logical_and(fits, real[..., None])

    # Far outside, an integer would overflow.
    centre = ops.clip(truth.boxes[..., 0:2], 0.0, 1.0) * level.cells
    cell = ops.minimum(ops.floor(centre), level.cells - 1)
    left, right = centre - ops.floor(centre), level.cells - centre
    back = ops.logical_and(left < 0.5, centre > 1)
    on = ops.logical_and(right - ops.floor(right) < 0.5, right > 1)
    step = ops.where(back, -1.0, 1.0)
    beside = ops.logical_or(back, on)

    nothing = ops.zeros_like(step[..., 0])
    offsets = ((nothing, nothing), (step[..., 0], nothing), (nothing, step[..., 1]))
    taken = (ops.ones_like(beside[..., 0]), beside[..., 0], beside[..., 1])
    image = ops.arange(batch, dtype="int32")[:, None, None]
    anchor = ops.arange(anchors, dtype="int32")
    slots, chosen = [], []
    for (dx, dy), there in zip(offsets, taken, strict=True):
        column, row = (
            ops.cast(ops.clip(cell[..., k] + d, 0.0, level.cells[k] - 1), "int32")[..., None]
            for k, d in ((0, dx), (1, dy))
        )
        slots.append(((image * height + row) * width + column) * anchors + anchor)
        chosen.append(ops.logical_and(fits, there[..., None]))
    return Assignment(ops.concatenate(slots, axis=-1), ops.concatenate(chosen, axis=-1))


def _balance(head: Any) -> dict[str, float]:
    levels = sorted(head.masks, key=lambda level: head.strides[level])
    if len(levels) not in BALANCES:
        raise ZooError(
            f"loss balance: there is no common one for {len(levels)} levels; give one number for "
            f"each of {levels}"
        )
    return dict(zip(levels, BALANCES[len(levels)], strict=True))
