"""Soft suppression: overlap lowers a score instead of removing the box."""

from __future__ import annotations

from typing import Any

from keras import ops

from zoo.nms.candidates import (
    CLASS,
    SCORE,
    Detections,
    Pool,
    check_settings,
    detections,
)
from zoo.nms.overlap import iou


def soft(
    boxes: Any,
    scores: Any,
    *,
    decay: str = "gaussian",
    sigma: float = 0.5,
    score_threshold: float = 0.25,
    iou_threshold: float = 0.45,
    max_candidates: int = 1024,
    max_detections: int = 300,
    max_per_class: int | None = None,
    class_agnostic: bool = False,
    multi_label: bool = True,
) -> Detections:
    """Take the best candidate, lower the scores of those that overlap it, and again [soft-nms, §3].

    Args:
        boxes: xyxy, (batch, n, 4), one unit throughout.
        scores: (batch, n, classes), in [0, 1].
        decay: `"gaussian"`, s·exp(−IoU²/sigma), or `"linear"`, s·(1 − IoU) from `iou_threshold` on.
        sigma: of the Gaussian.
        score_threshold: what scores more is a candidate, and what still does so is returned.
        iou_threshold: IoU from which the linear decay acts.
        max_candidates: best pairs of an image that take part; `candidates` tells whether more were
            there.
        max_detections: pairs of an image that are returned.
        max_per_class: the same for each class; what exceeds it lowers no score.
        class_agnostic: lower scores across classes, too.
        multi_label: a box may be found with several classes; otherwise with its best one.

    Returns:
        As `zoo.nms.candidates.detections`, with the lowered scores; k = `max_detections`.

    Raises:
        ZooError: there is no such decay, a limit is below 1, a threshold not in [0, 1], or `sigma`
            not positive.
    """
    check_settings(
        decay=decay,
        sigma=sigma,
        score_threshold=score_threshold,
        iou_threshold=iou_threshold,
        max_candidates=max_candidates,
        max_detections=max_detections,
        max_per_class=max_per_class,
    )
    pool = Pool(
        boxes, scores, size=max_candidates, score_threshold=score_threshold, multi_label=multi_label
    )
    draw = pool.draw(pool.best, pool.start())
    rows = draw.rows
    place = ops.arange(max_candidates, dtype="int32")[None]
    slots = ops.arange(max_detections, dtype="int32")
    room = max_candidates if max_per_class is None else max_per_class

    def factor(overlap: Any) -> Any:
        if decay == "gaussian":
            return ops.exp(-ops.square(overlap) / sigma)
        return ops.where(overlap < iou_threshold, 1.0, 1 - overlap)

    def unfinished(slot: Any, score: Any, left: Any, taken: Any) -> Any:
        return ops.logical_and(slot < max_detections, ops.any(score > pool.threshold))

    def take_best(slot: Any, score: Any, left: Any, taken: Any) -> tuple[Any, ...]:
        best = ops.max(score, axis=-1, keepdims=True)
        first = ops.min(ops.where(score == best, place, max_candidates), axis=-1, keepdims=True)
        one = ops.take_along_axis(rows, ops.broadcast_to(first, (6, *ops.shape(first))), axis=2)
        one = ops.where(best > pool.threshold, ops.concatenate([one[:4], best[None], one[5:]]), 0.0)
        same = rows[CLASS] == one[CLASS]
        lowered = score * factor(iou(rows[:4], one[:4]))
        score = lowered if class_agnostic else ops.where(same, lowered, score)
        left = left - ops.cast(ops.logical_and(same, best > pool.threshold), "int32")
        alive = ops.logical_and(place != first, left > 0)
        taken = ops.where(slots == slot, one, taken)
        return slot + 1, ops.where(alive, score, 0.0), left, taken

    nothing = ops.zeros((6, ops.shape(rows)[1], max_detections), dtype=rows.dtype)
    left = ops.zeros_like(rows[CLASS], dtype="int32") + room
    state = (0, rows[SCORE], left, nothing)
    *_, taken = ops.while_loop(unfinished, take_best, state)
    count = ops.sum(ops.cast(taken[SCORE] > 0, "int32"), axis=-1)
    return detections(taken, count, pool.drawn(draw))
