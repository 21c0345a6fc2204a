"""Box formats and overlaps: pure functions on tensors, any unit, any leading shape that broadcasts.

`xyxy` is left, top, right, bottom; `cxcywh` is centre and size.
"""

from __future__ import annotations

from typing import Any

from keras import ops

#: Keeps the weight of CIoU's aspect term finite where both boxes agree [box.c:box_ciou].
ASPECT_EPSILON = 1e-6


def xyxy_to_cxcywh(boxes: Any) -> Any:
    """Corners (…, 4) to centres and sizes (…, 4), same unit."""
    low, high = boxes[..., 0:2], boxes[..., 2:4]
    return ops.concatenate([(low + high) / 2, high - low], axis=-1)


def cxcywh_to_xyxy(boxes: Any) -> Any:
    """Centres and sizes (…, 4) to corners (…, 4), same unit."""
    centre, half = boxes[..., 0:2], boxes[..., 2:4] / 2
    return ops.concatenate([centre - half, centre + half], axis=-1)


def within(boxes: Any, window: Any) -> Any:
    """Boxes relative to a canvas → relative to a window of it, all xyxy.

    Args:
        boxes: (batch, n, 4).
        window: (batch, 4), relative to the canvas.
    """
    low = window[:, None, 0:2]
    size = window[:, None, 2:4] - low
    corners = [(boxes[..., 0:2] - low) / size, (boxes[..., 2:4] - low) / size]
    return ops.concatenate(corners, axis=-1)


def iou(a: Any, b: Any) -> Any:
    """Intersection over union of paired xyxy boxes, (…, 4) → (…) in [0, 1] [box.c:box_iou].

    0 where the union is empty, and where it is no number because a side overflowed.
    """
    intersection, union = _intersection_and_union(a, b)
    return ratio(intersection, union)


def pairwise_iou(a: Any, b: Any) -> Any:
    """IoU of every xyxy box of `a` (…, m, 4) with every one of `b` (…, n, 4), (…, m, n)."""
    return iou(a[..., :, None, :], b[..., None, :, :])


def giou(a: Any, b: Any) -> Any:
    """Generalised IoU of paired xyxy boxes, (…, 4) → (…) in [-1, 1] [giou, alg. 1; box.c:box_giou].

    The IoU less the share of the enclosing box that neither box covers.
    """
    intersection, union = _intersection_and_union(a, b)
    sides = _enclosing_sides(a, b)
    enclosing = sides[..., 0] * sides[..., 1]
    return ratio(intersection, union) - ratio(enclosing - union, enclosing)


def diou(a: Any, b: Any) -> Any:
    """Distance IoU of paired xyxy boxes, IoU − d²/c², (…, 4) → (…) [diou, eq. 7].

    d is the distance of the centres, c the diagonal of the enclosing box; both change with the
    aspect of the unit. Where c is 0 the IoU stands alone.
    """
    centres = (a[..., 0:2] + a[..., 2:4] - b[..., 0:2] - b[..., 2:4]) / 2
    diagonal = ops.sum(ops.square(_enclosing_sides(a, b)), axis=-1)
    return iou(a, b) - ratio(ops.sum(ops.square(centres), axis=-1), diagonal)


def _intersection_and_union(a: Any, b: Any) -> tuple[Any, Any]:
    low = ops.maximum(a[..., 0:2], b[..., 0:2])
    high = ops.minimum(a[..., 2:4], b[..., 2:4])
    sides = ops.maximum(high - low, 0.0)
    intersection = sides[..., 0] * sides[..., 1]
    return intersection, _area(a) + _area(b) - intersection


def _enclosing_sides(a: Any, b: Any) -> Any:
    low = ops.minimum(a[..., 0:2], b[..., 0:2])
    return ops.maximum(a[..., 2:4], b[..., 2:4]) - low


def _area(boxes: Any) -> Any:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def ratio(part: Any, whole: Any) -> Any:
    """`part / whole`, 0 where that has no value."""
    defined = ops.logical_and(whole > 0, ops.isfinite(whole))
    return ops.where(defined, part / ops.where(defined, whole, 1.0), 0.0)
