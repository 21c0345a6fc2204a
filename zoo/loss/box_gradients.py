"""Darknet's hand-made gradients of the IoU family [box.c:dx_box_iou].

They train every published YOLOv4 and are not the derivatives of `zoo.ops.boxes`. Each function
takes paired cxcywh boxes (…, 4), prediction first, and gives (…, 4): the direction in (x, y, w, h)
of the prediction that increases the overlap. Known departures from calculus, all kept: w and h miss
a factor ½; the intersection of disjoint boxes is not clamped at 0, so the product of two negative
sides counts as overlap; the enclosing box acts on the centre with the wrong sign; CIoU's aspect
term lacks 1/(w² + h²) [diou, eq. 12].

Per axis a box has a `low` side (left, top) and a `high` one (right, bottom): pairs (…, 2), x first.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from keras import ops

from zoo.ops.boxes import ASPECT_EPSILON


class Corners(NamedTuple):
    """A quantity per low and per high side, each (…, 2)."""

    low: Any
    high: Any


def iou(predicted: Any, truth: Any) -> Any:
    """Gradient of I/U by the quotient rule."""
    return _centre_and_size(_iou(_Pair(predicted, truth)))


def giou(predicted: Any, truth: Any) -> Any:
    """Gradient of I/U + U/C; of U/C alone where the boxes are apart."""
    pair = _Pair(predicted, truth)
    overlap, enclosing = _iou(pair), pair.enclosing_area
    rate = [
        _divide(enclosing * d_union - pair.union * d_enclosing, ops.square(enclosing))
        for d_union, d_enclosing in zip(pair.d_union, pair.d_enclosing, strict=True)
    ]
    return _centre_and_size(
        Corners(*(pair.if_overlapping(p) + r for p, r in zip(overlap, rate, strict=True)))
    )


def diou(predicted: Any, truth: Any) -> Any:
    """Gradient of I/U − S/D, S and D the squared distance and diagonal; without I/U when apart."""
    pair = _Pair(predicted, truth)
    return pair.if_overlapping(_centre_and_size(_iou(pair))) + _distance(pair)


def ciou(predicted: Any, truth: Any) -> Any:
    """Gradient of DIoU − αv, α held constant."""
    return diou(predicted, truth) + _aspect(_Pair(predicted, truth))


#: The gradients by the name of their loss, Darknet's `iou_loss`.
BOX_GRADIENTS = {"iou": iou, "giou": giou, "diou": diou, "ciou": ciou}


class _Pair:
    """The geometry that the gradients share."""

    def __init__(self, predicted: Any, truth: Any):
        self.p, self.g = _corners(predicted), _corners(truth)
        self.centre, self.truth_centre = predicted[..., 0:2], truth[..., 0:2]
        self.size, self.truth_size = predicted[..., 2:4], truth[..., 2:4]
        sides = ops.minimum(self.p.high, self.g.high) - ops.maximum(self.p.low, self.g.low)
        self.apart = ops.any(sides <= 0, axis=-1, keepdims=True)
        self.intersection = _area(sides)
        self.d_intersection = Corners(
            ops.where(self.p.low > self.g.low, -_other(sides), 0.0),
            ops.where(self.p.high < self.g.high, _other(sides), 0.0),
        )
        extent = self.p.high - self.p.low
        self.union = _area(extent) + _area(self.g.high - self.g.low) - self.intersection
        self.d_union = Corners(
            -_other(extent) - self.d_intersection.low, _other(extent) - self.d_intersection.high
        )
        self.enclosing = ops.maximum(self.p.high, self.g.high) - ops.minimum(self.p.low, self.g.low)

    @property
    def enclosing_area(self) -> Any:
        return _area(self.enclosing)

    @property
    def stretches(self) -> Corners:
        """Whether the prediction's side is one of the enclosing box."""
        return Corners(self.p.low < self.g.low, self.p.high > self.g.high)

    @property
    def d_enclosing(self) -> Corners:
        other, stretches = _other(self.enclosing), self.stretches
        return Corners(ops.where(stretches.low, -other, 0.0), ops.where(stretches.high, other, 0.0))

    def if_overlapping(self, gradient: Any) -> Any:
        return ops.where(self.apart, 0.0, gradient)


def _iou(pair: _Pair) -> Corners:
    union = pair.union
    rate = [
        _divide(union * d_intersection - pair.intersection * d_union, ops.square(union))
        for d_intersection, d_union in zip(pair.d_intersection, pair.d_union, strict=True)
    ]
    return Corners(*(ops.where(union > 0, side, 0.0) for side in rate))


def _distance(pair: _Pair) -> Any:
    offset = pair.truth_centre - pair.centre
    distance = ops.sum(ops.square(offset), axis=-1, keepdims=True)
    diagonal = ops.sum(ops.square(pair.enclosing), axis=-1, keepdims=True)
    low, high = (ops.cast(side, "float32") for side in pair.stretches)
    by_centre = 2 * offset * diagonal - 2 * pair.enclosing * (high - low) * distance
    by_size = pair.enclosing * (high + low) * distance
    return _divide(ops.concatenate([by_centre, by_size], axis=-1), ops.square(diagonal))


def _aspect(pair: _Pair) -> Any:
    difference = _angle(pair.truth_size) - _angle(pair.size)
    v = 4 / math.pi**2 * ops.square(difference)
    alpha = v / (1 - pair.intersection / pair.union + v + ASPECT_EPSILON)
    by_size = alpha * (8 / math.pi**2) * difference * _other(pair.size)
    by_size = ops.concatenate([by_size[..., 0:1], -by_size[..., 1:2]], axis=-1)
    return ops.concatenate([ops.zeros_like(by_size), by_size], axis=-1)


def _corners(cxcywh: Any) -> Corners:
    centre, half = cxcywh[..., 0:2], cxcywh[..., 2:4] / 2
    return Corners(centre - half, centre + half)


def _centre_and_size(sides: Corners) -> Any:
    return ops.concatenate([sides.low + sides.high, sides.high - sides.low], axis=-1)


def _other(pair: Any) -> Any:
    """(x, y) → (y, x): an area changes with one side at the rate of the other."""
    return ops.flip(pair, axis=-1)


def _area(sides: Any) -> Any:
    return sides[..., 0:1] * sides[..., 1:2]


def _angle(size: Any) -> Any:
    return ops.arctan(size[..., 0:1] / size[..., 1:2])


def _divide(numerator: Any, denominator: Any) -> Any:
    """The quotient, 0 where the denominator is."""
    safe = ops.where(denominator > 0, denominator, 1.0)
    return ops.where(denominator > 0, numerator / safe, 0.0)
