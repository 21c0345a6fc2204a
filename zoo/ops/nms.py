"""Non-maximum suppression: exact, per class, static shapes, XLA-compilable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

from zoo.ops.boxes import diou, iou

Detections = dict[str, Any]


def default(boxes: Any, scores: Any, **limits: Any) -> Detections:
    """Suppress by IoU [box.c:do_nms_sort]; arguments and result as `suppress`."""
    return suppress(boxes, scores, overlap=iou, **limits)


def greedynms(boxes: Any, scores: Any, **limits: Any) -> Detections:
    """Suppress by IoU − (d²/c²)^0.6, Darknet's `greedynms` [box.c:box_diou].

    The exponent is fixed in Darknet and is not the 1 of the DIoU paper. Arguments and result as
    `suppress`.
    """
    return suppress(boxes, scores, overlap=lambda a, b: diou(a, b, beta=0.6), **limits)


def diounms(boxes: Any, scores: Any, *, beta: float = 0.6, **limits: Any) -> Detections:
    """Suppress by IoU − (d²/c²)^beta [diou, §4.3; box.c:diounms_sort]; the rest as `suppress`."""
    return suppress(boxes, scores, overlap=lambda a, b: diou(a, b, beta=beta), **limits)


def suppress(
    boxes: Any,
    scores: Any,
    *,
    overlap: Callable[[Any, Any], Any],
    score_threshold: float = 0.25,
    iou_threshold: float = 0.45,
    max_candidates: int = 1024,
    max_detections: int = 300,
) -> Detections:
    """Greedy suppression within each class; one box may be kept with several classes.

    A (box, class) pair is a candidate when its score exceeds `score_threshold`. In falling order of
    score, a candidate is kept unless an already kept one of its class overlaps it by more than
    `iou_threshold`. The same set comes out of iterating keep[i] = no kept j before i overlaps i
    from "keep all" until nothing changes: after t rounds every chain of t suppressions is settled.

    Args:
        boxes: xyxy, (batch, n, 4), one unit throughout.
        scores: (batch, n, classes), in [0, 1].
        overlap: measure of boxes (…, k, 1, 4) and (…, 1, k, 4), giving (…, k, k).
        score_threshold: candidates score more than this; a box that is not finite, as an
            untrained network can give, is never one.
        iou_threshold: overlap that suppresses.
        max_candidates: best pairs of an image that are looked at; `candidates` tells whether more
            were there.
        max_detections: best kept pairs of an image that are returned.

    Returns:
        boxes (batch, k, 4), scores (batch, k), classes int32 (batch, k) with
        k = min(max_candidates, max_detections), in falling order of score and zero from `count`
        on; count and candidates, int32 (batch,).
    """
    batch, _, classes = ops.shape(scores)
    finite = ops.all(ops.isfinite(boxes), axis=-1, keepdims=True)
    candidate = ops.logical_and(finite, scores > score_threshold)
    flat = ops.reshape(ops.where(candidate, scores, 0.0), (batch, -1))
    candidates = ops.sum(ops.cast(flat > 0, "int32"), axis=-1)
    padding = ops.zeros((batch, max_candidates), dtype=flat.dtype)
    best, index = ops.top_k(ops.concatenate([flat, padding], axis=-1), max_candidates)
    row, label = index // classes, index % classes
    # Indices into the padding have score zero; any row will do for them.
    row = ops.where(best > 0, row, 0)
    corners = ops.take_along_axis(boxes, row[..., None], axis=1)

    kept = _settle(_suppresses(corners, label, overlap, iou_threshold), best > 0)
    best, order = ops.top_k(
        ops.where(kept, best, 0.0), min(max_detections, max_candidates), sorted=True
    )
    valid = best > 0
    corners = ops.take_along_axis(corners, order[..., None], axis=1)
    label = ops.cast(ops.take_along_axis(label, order, axis=1), "int32")
    return {
        "boxes": ops.where(valid[..., None], corners, 0.0),
        "scores": best,
        "classes": ops.where(valid, label, 0),
        "count": ops.sum(ops.cast(valid, "int32"), axis=-1),
        "candidates": candidates,
    }


def _suppresses(corners: Any, label: Any, overlap: Callable, threshold: float) -> Any:
    """Bool (batch, k, k): entry [j, i] says that j, if kept, suppresses the later i."""
    before = ops.arange(ops.shape(label)[1])
    before = before[:, None] < before[None, :]
    same_class = label[:, :, None] == label[:, None, :]
    measure = overlap(corners[:, :, None, :], corners[:, None, :, :])
    return ops.logical_and(ops.logical_and(before, same_class), measure > threshold)


def _settle(suppresses: Any, valid: Any) -> Any:
    def changed(keep: Any, previous: Any) -> Any:
        return ops.any(ops.not_equal(keep, previous))

    def next_round(keep: Any, _: Any) -> tuple[Any, Any]:
        beaten = ops.any(ops.logical_and(suppresses, keep[:, :, None]), axis=1)
        return ops.logical_and(valid, ops.logical_not(beaten)), keep

    keep, _ = ops.while_loop(changed, next_round, next_round(valid, valid))
    return keep
