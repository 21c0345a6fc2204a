"""Suppression of all candidates at once: no candidate waits for another's fate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

from zoo.nms.candidates import (
    CLASS,
    SCORE,
    Detections,
    Pool,
    check_settings,
    detections,
    top_k,
)
from zoo.nms.overlap import iou

#: Candidates that are compared with all others at once: it bounds the memory.
BLOCK = 64


def fast(
    boxes: Any,
    scores: Any,
    *,
    score_threshold: float = 0.25,
    iou_threshold: float = 0.45,
    max_candidates: int = 1024,
    max_detections: int = 300,
    max_per_class: int | None = None,
    class_agnostic: bool = False,
    multi_label: bool = True,
) -> Detections:
    """Suppress by any better candidate of the class, suppressed or not [yolact, §4].

    Removes somewhat more than greedy suppression. Arguments and result as `matrix`, but scores
    stay as they are, and `iou_threshold` is the IoU above which a box is suppressed.
    """
    check_settings(score_threshold=score_threshold, iou_threshold=iou_threshold)
    limits = _limits(max_candidates, max_detections, max_per_class)
    rows, seen = _candidates(boxes, scores, score_threshold, max_candidates, multi_label)
    highest = _highest_overlap(rows, class_agnostic)
    kept = ops.where(highest <= iou_threshold, rows[SCORE], 0.0)
    return _ranked(rows, seen, kept, **limits)


def matrix(
    boxes: Any,
    scores: Any,
    *,
    decay: str = "gaussian",
    sigma: float = 2.0,
    score_threshold: float = 0.25,
    max_candidates: int = 1024,
    max_detections: int = 300,
    max_per_class: int | None = None,
    class_agnostic: bool = False,
    multi_label: bool = True,
) -> Detections:
    """Lower each score by the overlaps with better candidates of the class [solov2, §3.3].

    decay of j = min over better i of f(IoU(i, j)) / f(highest IoU of i with a better one), at most
    1, with f = exp(−sigma·IoU²) or 1 − IoU [solov2, eq. 4–5]; on boxes instead of masks.

    Args:
        boxes: xyxy, (batch, n, 4), one unit throughout.
        scores: (batch, n, classes), in [0, 1].
        decay: `"gaussian"` or `"linear"`.
        sigma: of the Gaussian.
        score_threshold: what scores more is a candidate, and what still does so is returned.
        max_candidates: best pairs of an image that take part; `candidates` tells whether more were
            there.
        max_detections: best pairs of an image that are returned.
        max_per_class: the same for each class.
        class_agnostic: compare across classes, too.
        multi_label: a box may be found with several classes; otherwise with its best one.

    Returns:
        As `zoo.nms.candidates.detections`, with the lowered scores; k = `max_detections`.

    Raises:
        ZooError: there is no such decay, a limit is below 1, `score_threshold` not in [0, 1], or
            `sigma` not positive.
    """
    check_settings(decay=decay, sigma=sigma, score_threshold=score_threshold)
    limits = _limits(max_candidates, max_detections, max_per_class)
    rows, seen = _candidates(boxes, scores, score_threshold, max_candidates, multi_label)
    highest = _highest_overlap(rows, class_agnostic)[:, None, :]

    def lowest_ratio(overlap: Any, better: Any) -> Any:
        if decay == "gaussian":
            ratio = ops.exp(sigma * (ops.square(highest) - ops.square(overlap)))
        else:
            # A duplicate of a better one adds nothing to what that one does.
            distinct = highest < 1
            ratio = (1 - overlap) / ops.where(distinct, 1 - highest, 1.0)
            ratio = ops.where(distinct, ratio, 1.0)
        return ops.min(ops.where(better, ratio, 1.0), axis=2)

    decays = _for_each(rows, class_agnostic, lowest_ratio)
    lowered = rows[SCORE] * ops.minimum(decays, 1.0)
    lowered = ops.where(lowered > max(score_threshold, 0.0), lowered, 0.0)
    return _ranked(rows, seen, lowered, **limits)


def _limits(max_candidates: int, max_detections: int, max_per_class: int | None) -> dict[str, int]:
    check_settings(
        max_candidates=max_candidates, max_detections=max_detections, max_per_class=max_per_class
    )
    per_class = max_candidates if max_per_class is None else max_per_class
    return {"max_detections": max_detections, "max_per_class": per_class}


def _candidates(
    boxes: Any, scores: Any, score_threshold: float, max_candidates: int, multi_label: bool
) -> tuple[Any, Any]:
    """The best pairs as rows, and how many there were."""
    size = -(-max_candidates // BLOCK) * BLOCK
    pool = Pool(boxes, scores, size=size, score_threshold=score_threshold, multi_label=multi_label)
    draw = pool.draw(pool.best, pool.start())
    inside = ops.arange(size) < max_candidates
    return ops.where(inside[None, None], draw.rows, 0.0), pool.drawn(draw)


def _highest_overlap(rows: Any, class_agnostic: bool) -> Any:
    """Of each candidate with a better one of its class, (batch, k); 0 for the best."""

    def highest(overlap: Any, better: Any) -> Any:
        return ops.max(ops.where(better, overlap, 0.0), axis=2)

    return _for_each(rows, class_agnostic, highest)


def _for_each(rows: Any, class_agnostic: bool, reduce: Callable[[Any, Any], Any]) -> Any:
    """`reduce` of each candidate's IoU with all, and whether they are better, (batch, k).

    Both are (batch, BLOCK, k), a block of candidates against all; blocks without a candidate are
    left 0.
    """
    size = rows.shape[2]
    order = ops.arange(size, dtype="int32")
    valid = ops.max(ops.sum(ops.cast(rows[SCORE] > 0, "int32"), axis=-1))

    def next_block(begin: Any, result: Any) -> tuple[Any, Any]:
        block = ops.slice(rows, (0, 0, begin), (6, ops.shape(rows)[1], BLOCK))
        a, b = ops.unstack(rows[:, :, None, :]), ops.unstack(block[:, :, :, None])
        here = begin + ops.arange(BLOCK, dtype="int32")
        better = order[None, None, :] < here[None, :, None]
        if not class_agnostic:
            better = ops.logical_and(better, a[CLASS] == b[CLASS])
        value = reduce(iou(a, b), better)
        return begin + BLOCK, ops.slice_update(result, (0, begin), value)

    _, result = ops.while_loop(
        lambda begin, _: begin < valid, next_block, (0, ops.zeros_like(rows[SCORE]))
    )
    return result


def _ranked(
    rows: Any, seen: Any, scores: Any, *, max_detections: int, max_per_class: int
) -> Detections:
    """The best rows by their new scores, at most so many of a class; 0 removes a row."""
    size = rows.shape[2]
    scores, order = top_k(scores, size)
    order = ops.broadcast_to(order[None], ops.shape(rows))
    rows = ops.take_along_axis(rows, order, axis=2)
    rows = ops.stack([*(rows[side] for side in range(SCORE)), scores, rows[CLASS]])
    if max_per_class < size:
        before = _for_each(rows, False, lambda _, better: _number(better))
        scores = ops.where(before < max_per_class, scores, 0.0)
    scores, order = top_k(scores, min(max_detections, size))
    order = ops.broadcast_to(order[None], (6, *ops.shape(order)))
    rows = ops.take_along_axis(rows, order, axis=2)
    missing = max_detections - min(max_detections, size)
    rows = ops.pad(rows, ((0, 0), (0, 0), (0, missing)))
    count = ops.sum(ops.cast(scores > 0, "int32"), axis=-1)
    return detections(rows, count, seen)


def _number(which: Any) -> Any:
    return ops.sum(ops.cast(which, "float32"), axis=-1)
