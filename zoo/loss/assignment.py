"""Which truth trains which anchor of which cell [yolo_layer.c:process_batch]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from keras import ops

from zoo.ops.boxes import xyxy_to_cxcywh


class Truth(NamedTuple):
    """Padded ground truth of a batch, as the loss reads it.

    Attributes:
        boxes: cxcywh relative to the network input, float32 (batch, n, 4).
        classes: int32 (batch, n).
        valid: bool (batch, n); false for padding and for classes that the head does not have.
    """

    boxes: Any
    classes: Any
    valid: Any


class Assignment(NamedTuple):
    """The pairs of a truth and an anchor at one level, each tensor (batch, n, anchors).

    Attributes:
        slot: int32, the row of the pair's cell and anchor among all predictions of the batch,
            ((image · height + row) · width + column) · anchors + anchor.
        chosen: bool, whether the truth trains that slot.
    """

    slot: Any
    chosen: Any


def relative(truth: Mapping[str, Any], size: Any, num_classes: int) -> Truth:
    """Ground truth in the unit of the predictions.

    Args:
        truth: "boxes", xyxy in pixels of the network input, (batch, n, 4); "classes", (batch, n),
            -1 for padding.
        size: width and height of the network input in pixels, float32 (2,).
        num_classes: classes of the head.
    """
    boxes = xyxy_to_cxcywh(ops.cast(truth["boxes"], "float32"))
    boxes = boxes / ops.concatenate([size, size])
    classes = ops.cast(truth["classes"], "int32")
    valid = ops.logical_and(classes >= 0, classes < num_classes)
    return Truth(boxes, classes, valid)


def assign(
    truth: Truth, anchors: Any, mask: Sequence[int], grid: tuple[Any, Any], *, iou_threshold: float
) -> Assignment:
    """Give each truth the anchor that fits its size best, in the cell that holds its centre.

    The best fit is sought among the anchors of all levels: a level trains on a truth only if the
    best is one of its own, or if an anchor of its own fits with an IoU above `iou_threshold`.

    Args:
        truth: boxes relative to the network input.
        anchors: widths and heights of all anchors, relative to the network input, (total, 2).
        mask: the anchors of this level.
        grid: height and width of this level in cells.
        iou_threshold: fit that makes a further anchor responsible; 1 leaves the best one alone.
    """
    height, width = grid
    fit = _size_iou(truth.boxes[..., 2:4], anchors)
    own = ops.convert_to_tensor(list(mask), dtype="int32")
    # The first of equal anchors wins, as in Darknet.
    chosen = ops.cast(ops.argmax(fit, axis=-1), "int32")[..., None] == own
    if iou_threshold < 1:
        chosen = ops.logical_or(chosen, ops.take(fit, own, axis=-1) > iou_threshold)
    chosen = ops.logical_and(chosen, truth.valid[..., None])

    column = _cell(truth.boxes[..., 0], width)
    row = _cell(truth.boxes[..., 1], height)
    image = ops.arange(ops.shape(truth.classes)[0], dtype="int32")[:, None]
    cell = (image * height + row) * width + column
    anchor = ops.arange(len(mask), dtype="int32")
    return Assignment(cell[..., None] * len(mask) + anchor, chosen)


def _size_iou(sizes: Any, anchors: Any) -> Any:
    """IoU of boxes with one centre, (…, 2) and (total, 2) → (…, total)."""
    smaller = ops.minimum(sizes[..., None, :], anchors)
    intersection = smaller[..., 0] * smaller[..., 1]
    areas = (sizes[..., 0] * sizes[..., 1])[..., None] + anchors[..., 0] * anchors[..., 1]
    return intersection / (areas - intersection)


def _cell(centre: Any, cells: Any) -> Any:
    """The cell of a relative coordinate; a centre on the far edge counts to the last cell."""
    cells = ops.cast(cells, "int32")
    index = ops.cast(centre * ops.cast(cells, "float32"), "int32")
    return ops.minimum(ops.maximum(index, 0), cells - 1)
