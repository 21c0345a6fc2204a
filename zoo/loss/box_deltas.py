"""How far and where to a box moves towards its truth [yolo_layer.c:delta_yolo_box]."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

from zoo.loss.box_gradients import BOX_GRADIENTS

LOSSES = ("mse", *BOX_GRADIENTS)


class Boxes(NamedTuple):
    """Predicted boxes with what they were decoded from; the leading shapes broadcast.

    Attributes:
        raw: tx, ty, tw, th, (…, 4).
        cxcywh: relative to the network input, (…, 4).
        anchors: width and height relative to the network input, (…, 2).
    """

    raw: Any
    cxcywh: Any
    anchors: Any


def box_deltas(
    loss: str,
    predicted: Boxes,
    truth: Any,
    *,
    grid: Any,
    new_coords: bool,
    normalizer: Any,
    limit: float | None,
) -> Any:
    """Deltas of (tx, ty, tw, th) for predictions paired with cxcywh truths, (…, 4).

    Args:
        loss: mse, iou, giou, diou or ciou.
        predicted: the predictions.
        truth: cxcywh relative to the network input, (…, 4).
        grid: width and height of the level in cells, (2,).
        new_coords: sizes are 4t² anchors, not e^t.
        normalizer: factor, a number or (…, 1).
        limit: bound of an absolute delta, for all but mse; None is no bound.
    """
    if loss == "mse":
        return _finite(normalizer * _squared_error(predicted, truth, grid, new_coords))
    # An exponential that underflowed would divide by zero below; Darknet takes the whole image.
    centre, size = predicted.cxcywh[..., 0:2], predicted.cxcywh[..., 2:4]
    size = ops.where(size == 0, 1.0, size)
    gradient = BOX_GRADIENTS[loss](ops.concatenate([centre, size], axis=-1), truth)
    if not new_coords:
        # w = anchor · exp(tw): Darknet keeps the exponential of that slope and drops the anchor.
        # Of w = 4v² · anchor it drops all.
        slope = ops.exp(predicted.raw[..., 2:4])
        gradient *= ops.concatenate([ops.ones_like(slope), slope], axis=-1)
    deltas = _finite(normalizer * gradient)
    return deltas if limit is None else ops.clip(deltas, -limit, limit)


def _squared_error(predicted: Boxes, truth: Any, grid: Any, new_coords: bool) -> Any:
    """Offsets in cells and raw sizes, small boxes counting up to twice as much."""
    centre = (truth[..., 0:2] - predicted.cxcywh[..., 0:2]) * grid
    ratio = truth[..., 2:4] / predicted.anchors
    target = ops.sqrt(ratio / 4) if new_coords else ops.log(ratio)
    size = target - predicted.raw[..., 2:4]
    area = truth[..., 2:3] * truth[..., 3:4]
    return (2 - area) * ops.concatenate([centre, size], axis=-1)


def _finite(deltas: Any) -> Any:
    """Overflows of the exponential and logarithms of empty truths teach nothing."""
    return ops.where(ops.isfinite(deltas), deltas, 0.0)
