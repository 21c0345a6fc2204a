"""One level of a YOLO head as its loss sees it: predictions decoded, truth in the same unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from keras import ops

from zoo.loss.assignment import Assignment, Truth, relative
from zoo.loss.box_deltas import Boxes
from zoo.ops.boxes import cxcywh_to_xyxy, pairwise_iou

#: The parts of a loss, and the entries of a prediction that each of them trains.
ENTRIES = {"box": slice(0, 4), "objectness": slice(4, 5), "class": slice(5, None)}


class Level(NamedTuple):
    """Predictions and truth of one level; boxes are cxcywh relative to the network input.

    Attributes:
        raw: (batch, h, w, anchors, 5 + classes).
        boxes: (batch, h, w, anchors, 4).
        objectness: probability, (batch, h, w, anchors).
        classes: probabilities, (batch, h, w, anchors, classes).
        truth: the truth of the batch.
        anchors: widths and heights of the anchors of all levels, (total, 2).
        own: widths and heights of this level's anchors, (anchors, 2).
        cells: width and height in cells, float32 (2,).
        new_coords: whether the predictions are probabilities already, see `zoo.head.yolo`.
    """

    raw: Any
    boxes: Any
    objectness: Any
    classes: Any
    truth: Truth
    anchors: Any
    own: Any
    cells: Any
    new_coords: bool

    @property
    def num_classes(self) -> int:
        """Classes of the head."""
        return self.raw.shape[-1] - 5

    @property
    def shape(self) -> tuple[Any, ...]:
        """(batch, h, w, anchors)."""
        return tuple(ops.shape(self.raw)[:4])

    def predicted(self) -> Boxes:
        """All predicted boxes, (batch, h, w, anchors, ·)."""
        return Boxes(self.raw[..., 0:4], self.boxes, self.own)

    def predicted_at(self, pairs: Assignment) -> Boxes:
        """The predicted box of every pair of a truth and an anchor, (batch, n, anchors, ·)."""
        raw, boxes = (self.at(pairs, values) for values in (self.raw[..., 0:4], self.boxes))
        return Boxes(raw, boxes, self.own)

    def at(self, pairs: Assignment, values: Any) -> Any:
        """`values` (batch, h, w, anchors, k) of the prediction of each pair, (batch, n, ·, k)."""
        return ops.take(ops.reshape(values, (-1, values.shape[-1])), pairs.slot, axis=0)

    def add_up(self, pairs: Assignment, values: Any) -> Any:
        """Sum `values` of the pairs, (batch, n, anchors, k), into (batch, h, w, anchors, k)."""
        entries = values.shape[-1]
        zeros = ops.zeros((ops.size(self.objectness), entries), "float32")
        slots = ops.reshape(pairs.slot, (-1, 1))
        values = ops.reshape(values, (-1, entries))
        sums = ops.scatter_update(zeros, slots, values, reduction="add")
        return ops.reshape(sums, (*self.shape, entries))

    def largest(self, pairs: Assignment, values: Any) -> Any:
        """The largest of 0 and the `values` of a prediction's chosen pairs, no gradient.

        (batch, n, ·) → (batch, h, w, anchors).
        """
        nothing = ops.zeros_like(ops.reshape(self.objectness, (-1,)))
        slots = ops.reshape(pairs.slot, (-1, 1))
        values = ops.stop_gradient(ops.reshape(ops.where(pairs.chosen, values, 0.0), (-1,)))
        best = ops.scatter_update(nothing, slots, values, reduction="max")
        return ops.reshape(best, self.shape)

    def boxes_of(self, pairs: Assignment) -> tuple[Any, Any]:
        """Predicted box and truth of every pair, cxcywh, (batch, n, ·, 4) each.

        What is not chosen may hold anything: an ordinary box keeps its gradient a number.
        """
        chosen = pairs.chosen[..., None]
        unit = ops.convert_to_tensor([0.5, 0.5, 0.5, 0.5], dtype="float32")
        predicted = ops.where(chosen, self.at(pairs, self.boxes), unit)
        return predicted, ops.where(chosen, self.truth.boxes[:, :, None], unit)

    def hits(self) -> Any:
        """A one, and the one-hot class, of each truth, to add up; float32 (batch, n, 1, 1 + C)."""
        labels = ops.one_hot(self.truth.classes, self.num_classes, dtype="float32")
        return ops.concatenate([ops.ones_like(labels[..., :1]), labels], axis=-1)[:, :, None]

    def nearest_truth(self) -> tuple[Any, Any]:
        """The largest IoU of each prediction with a truth, and that truth's row.

        Each is (batch, h, w, anchors); an image without truth gives 0 and row 0.
        """
        batch, *_ = self.shape
        predicted = ops.reshape(cxcywh_to_xyxy(self.boxes), (batch, -1, 4))
        overlap = pairwise_iou(predicted, cxcywh_to_xyxy(self.truth.boxes))
        overlap = ops.where(self.truth.valid[:, None, :], overlap, 0.0)
        best, row = ops.max(overlap, axis=-1), ops.argmax(overlap, axis=-1)
        return ops.reshape(best, self.shape), ops.reshape(row, self.shape)

    def truth_at(self, row: Any) -> tuple[Any, Any]:
        """Boxes (batch, h, w, anchors, 4) and classes (batch, h, w, anchors) of truth rows."""
        flat = ops.reshape(row, (self.shape[0], -1))
        boxes = ops.take_along_axis(self.truth.boxes, flat[..., None], axis=1)
        classes = ops.take_along_axis(self.truth.classes, flat, axis=1)
        return ops.reshape(boxes, (*self.shape, 4)), ops.reshape(classes, self.shape)


def decode(head: Any, name: str, truth: Mapping[str, Any], raw: Any) -> Level:
    """Decode `raw` of the level `name` (batch, h, w, anchors, 5 + classes).

    The size of the network input is the grid times its stride.
    """
    height, width = ops.shape(raw)[1:3]
    cells = ops.cast(ops.stack([width, height]), "float32")
    size = cells * head.strides[name]
    centre, extent = head.cxcywh(name, raw[..., 0:4])
    anchors = ops.convert_to_tensor(head.anchors, dtype="float32") / size
    probabilities = head.probabilities(raw[..., 4:])
    return Level(
        raw=raw,
        boxes=ops.concatenate([centre, extent], axis=-1),
        objectness=probabilities[..., 0],
        classes=probabilities[..., 1:],
        truth=relative(truth, size, head.num_classes),
        anchors=anchors,
        own=ops.take(anchors, ops.convert_to_tensor(head.masks[name], dtype="int32"), axis=0),
        cells=cells,
        new_coords=head.new_coords,
    )


def by_anchor(head: Any, name: str, raw: Any) -> Any:
    """What the head gave at a level, float32 (batch, h, w, anchors, 5 + classes)."""
    shape = (*ops.shape(raw)[:3], len(head.masks[name]), 5 + head.num_classes)
    return ops.reshape(ops.cast(raw, "float32"), shape)


def per_image(values: Any) -> Any:
    """Sum over all but the batch, (batch, h, w, anchors, ·) → (batch,)."""
    return ops.sum(values, axis=(1, 2, 3, 4))
