"""Overlaps of boxes whose four corners are apart: (x1, y1, x2, y2), each of any shape.

With the corners as separate arrays a CPU compares whole vectors of boxes; on xyxy in the last axis
the same formulas of `zoo.ops.boxes` take several times as long inside a compiled loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

from zoo.ops.boxes import ratio

#: Of d²/c² in Darknet [box.c:box_diou].
EXPONENT = 0.6
#: Whether a kept box suppresses another: (corners, corners, threshold) → bool.
Suppresses = Callable[[Any, Any, float], Any]


def iou(a: Any, b: Any) -> Any:
    """Intersection over union in [0, 1]; 0 where the union is empty."""
    width = ops.minimum(a[2], b[2]) - ops.maximum(a[0], b[0])
    height = ops.minimum(a[3], b[3]) - ops.maximum(a[1], b[1])
    intersection = ops.maximum(width, 0.0) * ops.maximum(height, 0.0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - intersection
    return ratio(intersection, union)


def distance(a: Any, b: Any) -> Any:
    """d²/c² [diou, eq. 7]: d between the centres, c the diagonal of the enclosing box."""
    x, y = a[0] + a[2] - b[0] - b[2], a[1] + a[3] - b[1] - b[3]
    width = ops.maximum(a[2], b[2]) - ops.minimum(a[0], b[0])
    height = ops.maximum(a[3], b[3]) - ops.minimum(a[1], b[1])
    return ratio((x * x + y * y) / 4, width * width + height * height)


def by_iou(a: Any, b: Any, threshold: float) -> Any:
    """IoU > threshold [box.c:do_nms_sort]."""
    return iou(a, b) > threshold


def by_distance_iou(beta: float) -> Suppresses:
    """IoU − (d²/c²)^beta > threshold [diou, §4.3; box.c:diounms_sort]."""

    def suppresses(a: Any, b: Any, threshold: float) -> Any:
        excess, gap = iou(a, b) - threshold, distance(a, b)
        if beta == EXPONENT:
            # p^0.6 < x is p³ < x⁵, ten times as fast as a power. Down to x = 1e-7 both sides are
            # ordinary floats; Darknet's own rounding is as large.
            power = ops.square(ops.square(excess)) * excess
            return ops.logical_and(excess > 0, gap * gap * gap < power)
        return excess > ops.exp(beta * ops.log(gap))

    return suppresses
