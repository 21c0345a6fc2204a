"""Overlaps and cross-entropy to differentiate: what losses with true gradients share."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from zoo.loss.level import Level
from zoo.ops.boxes import ASPECT_EPSILON, cxcywh_to_xyxy, diou, giou, iou

#: Least side of a box whose aspect is asked for, relative to the network input.
LEAST_SIDE = 1e-7
#: What a probability keeps from 0, and from 1, so that its logarithm is a number.
TINY, HALF_ULP = 1e-37, 6e-8


def ciou(predicted: Any, truth: Any) -> Any:
    """Complete IoU of paired cxcywh boxes, (…, 4) → (…), α held constant [diou, eq. 10–12]."""
    corners = cxcywh_to_xyxy(predicted), cxcywh_to_xyxy(truth)
    v = 4 / math.pi**2 * ops.square(_angle(truth) - _angle(predicted))
    alpha = ops.stop_gradient(v / (1 - iou(*corners) + v + ASPECT_EPSILON))
    return diou(*corners) - alpha * v


def _angle(cxcywh: Any) -> Any:
    width, height = (ops.maximum(cxcywh[..., side], LEAST_SIDE) for side in (2, 3))
    return ops.arctan(width / height)


#: By the name of their loss; cxcywh boxes, prediction first.
OVERLAPS = {
    "iou": lambda p, g: iou(cxcywh_to_xyxy(p), cxcywh_to_xyxy(g)),
    "giou": lambda p, g: giou(cxcywh_to_xyxy(p), cxcywh_to_xyxy(g)),
    "diou": lambda p, g: diou(cxcywh_to_xyxy(p), cxcywh_to_xyxy(g)),
    "ciou": ciou,
}


def cross_entropy(level: Level, raw: Any, target: Any) -> Any:
    """−y·ln p − (1 − y)·ln(1 − p) of raw entries of any shape, elementwise."""
    if level.new_coords:
        yes, no = ops.log(ops.maximum(raw, TINY)), ops.log(ops.maximum(1 - raw, HALF_ULP))
        return -target * yes - (1 - target) * no
    return ops.softplus(raw) - target * raw
