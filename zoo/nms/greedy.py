"""Greedy suppression: exact, a block of candidates at a time."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from keras import ops

from zoo.nms.candidates import (
    CLASS,
    SCORE,
    Detections,
    Draw,
    Pool,
    by_image,
    check_limits,
    detections,
    taken,
)
from zoo.nms.overlap import Suppresses, by_distance_iou, by_iou

#: Candidates that are ranked at once, and of these, candidates that are settled at once.
CHUNK, BLOCK = 256, 64


def greedy(
    boxes: Any,
    scores: Any,
    *,
    beta: float | None = None,
    score_threshold: float = 0.25,
    iou_threshold: float = 0.45,
    max_candidates: int = 4096,
    max_detections: int = 300,
    max_per_class: int | None = None,
    class_agnostic: bool = False,
    multi_label: bool = True,
) -> Detections:
    """Keep a candidate unless a kept one of its class, of higher score, overlaps it too much.

    Among equal scores the box that comes first goes first. Candidates are ranked and settled in
    portions until `max_detections` are kept, so the cost grows with what passes the threshold and
    no array is larger than the scores.

    Args:
        boxes: xyxy, (batch, n, 4), one unit throughout.
        scores: (batch, n, classes), in [0, 1].
        beta: overlap is IoU − (d²/c²)^beta [diou, §4.3], by default IoU alone.
        score_threshold: a (box, class) pair is a candidate when it scores more; see
            `zoo.nms.candidates.Pool`.
        iou_threshold: overlap that suppresses.
        max_candidates: best pairs of an image that are looked at, unless `max_detections` are kept
            before; `candidates` tells whether more were there.
        max_detections: best kept pairs of an image that are returned.
        max_per_class: the same for each class; what exceeds it suppresses nothing.
        class_agnostic: suppress across classes, too.
        multi_label: a box may be found with several classes; otherwise with its best one.

    Returns:
        As `zoo.nms.candidates.detections`, k = `max_detections`.

    Raises:
        ZooError: a limit is below 1.
    """
    check_limits(
        max_candidates=max_candidates, max_detections=max_detections, max_per_class=max_per_class
    )
    size = min(CHUNK, -(-max_candidates // BLOCK) * BLOCK)
    pool = Pool(boxes, scores, size=size, score_threshold=score_threshold, multi_label=multi_label)
    rule = Rule(
        by_iou if beta is None else by_distance_iou(beta),
        iou_threshold,
        class_agnostic,
        max_per_class,
    )
    suppress = partial(_greedy, rule, max_candidates=max_candidates, max_detections=max_detections)
    return detections(*by_image(suppress, pool))


def _greedy(
    rule: Rule, pool: Pool, *, max_candidates: int, max_detections: int
) -> tuple[Any, Any, Any]:
    """Kept rows (6, batch, k), their number, and that of the candidates."""
    count = ops.sum(ops.zeros_like(pool.best, dtype="int32"), axis=-1)
    kept = ops.zeros((6, ops.shape(pool.best)[0], max_detections), dtype=pool.best.dtype)
    size = pool.size

    def unfinished(number: Any, draw: Any, best: Any, kept: Any, count: Any, seen: Any) -> Any:
        more = ops.logical_or(number == 0, draw.last[0] > 0)
        open_ = ops.any(ops.logical_and(more, count < max_detections))
        return ops.logical_and(open_, number * size < max_candidates)

    def next_chunk(
        number: Any, draw: Any, best: Any, kept: Any, count: Any, seen: Any
    ) -> tuple[Any, ...]:
        best = ops.cond(number > 0, lambda: taken(best, draw), lambda: best)
        draw = pool.draw(best, draw.last)
        rows = _first(draw.rows, max_candidates - number * size)
        kept, count = _settle_chunk(rule, rows, kept, count)
        return number + 1, draw, best, kept, count, seen + _number(draw.rows[SCORE] > 0)

    state = (0, _nothing(pool), pool.best, kept, count, count)
    _, draw, best, kept, count, seen = ops.while_loop(unfinished, next_chunk, state)
    return kept, count, seen + pool.left(best, draw)


class Rule(NamedTuple):
    """When a box that is kept suppresses another, and how many of a class are kept."""

    suppresses: Suppresses
    threshold: float
    class_agnostic: bool
    max_per_class: int | None

    def between(self, kept: Any, others: Any) -> Any:
        """Bool (batch, others, kept) from rows (6, batch, …)."""
        a = [kept[entry][:, None, :] for entry in range(6)]
        b = [others[entry][:, :, None] for entry in range(6)]
        beaten = self.suppresses(a, b, self.threshold)
        if self.class_agnostic:
            return beaten
        return ops.logical_and(a[CLASS] == b[CLASS], beaten)


def _nothing(pool: Pool) -> Draw:
    """A draw of nothing, in shape and type like any other."""
    looked_at = ops.cast(ops.zeros_like(pool.best[:, : pool.size]), "int32")
    left = ops.zeros_like(pool.best[:, : pool.size])
    return Draw(ops.stack([left] * 6), pool.start(), looked_at, left)


def _first(rows: Any, number: Any) -> Any:
    """Rows whose candidates behind the first `number` score 0."""
    inside = ops.arange(rows.shape[2], dtype="int32") < number
    return ops.where(inside[None, None], rows, 0.0)


def _settle_chunk(rule: Rule, rows: Any, kept: Any, count: Any) -> tuple[Any, Any]:
    """Candidates (6, batch, k) in falling order → kept rows (6, batch, m) and their number."""
    limit = kept.shape[2]
    valid = ops.sum(ops.cast(rows[SCORE] > 0, "int32"), axis=-1)

    def unfinished(begin: Any, kept: Any, count: Any) -> Any:
        return ops.any(ops.logical_and(begin < valid, count < limit))

    def next_block(begin: Any, kept: Any, count: Any) -> tuple[Any, Any, Any]:
        block = ops.slice(rows, (0, 0, begin), (6, ops.shape(rows)[1], BLOCK))
        keep = _settle_block(rule, block, kept, count)
        kept, count = _append(kept, count, block, keep)
        return begin + BLOCK, kept, count

    _, kept, count = ops.while_loop(unfinished, next_block, (0, kept, count))
    return kept, count


def _settle_block(rule: Rule, block: Any, kept: Any, count: Any) -> Any:
    """Which candidates of a block are kept, bool (batch, BLOCK).

    Greedy suppression is the fixed point of keep[i] = no kept j before i suppresses i: after t
    rounds from "keep all" every chain of t suppressions is settled.
    """
    is_kept = (ops.arange(kept.shape[2], dtype="int32")[None] < count[:, None])[:, None, :]
    beaten = ops.any(ops.logical_and(is_kept, rule.between(kept, block)), axis=2)
    free = ops.logical_and(block[SCORE] > 0, ops.logical_not(beaten))
    order = ops.arange(BLOCK)
    before = order[None, :] < order[:, None]
    suppresses = ops.logical_and(before, rule.between(block, block))
    if rule.max_per_class is not None:
        same = block[CLASS][:, :, None] == kept[CLASS][:, None, :]
        full = rule.max_per_class - _number(ops.logical_and(is_kept, same))
        same = ops.logical_and(before, block[CLASS][:, :, None] == block[CLASS][:, None, :])

    def next_round(keep: Any, _: Any) -> tuple[Any, Any]:
        beaten = ops.any(ops.logical_and(suppresses, keep[:, None, :]), axis=2)
        settled = ops.logical_and(free, ops.logical_not(beaten))
        if rule.max_per_class is not None:
            earlier = _number(ops.logical_and(same, keep[:, None, :]))
            settled = ops.logical_and(settled, earlier < full)
        return settled, keep

    def changed(keep: Any, previous: Any) -> Any:
        return ops.any(ops.not_equal(keep, previous))

    keep, _ = ops.while_loop(changed, next_round, next_round(free, free))
    return keep


def _number(which: Any) -> Any:
    return ops.sum(ops.cast(which, "int32"), axis=-1)


def _append(kept: Any, count: Any, block: Any, keep: Any) -> tuple[Any, Any]:
    """The kept of a block behind those kept before, as far as there is room."""
    limit = kept.shape[2]
    total = ops.cumsum(ops.cast(keep, "int32"), axis=1)
    slot = ops.arange(limit, dtype="int32")[None] - count[:, None]
    # The n-th kept candidate stands behind all that make the running total at most n.
    source = _number(total[:, None, :] <= slot[:, :, None])
    fresh = ops.logical_and(slot >= 0, source < BLOCK)
    source = ops.minimum(source, BLOCK - 1)[None]
    moved = ops.take_along_axis(block, ops.broadcast_to(source, ops.shape(kept)), axis=2)
    kept = ops.where(fresh[None], moved, kept)
    return kept, ops.minimum(count + total[:, -1], limit)


#: By IoU [box.c:do_nms_sort].
default = partial(greedy, beta=None)
#: By IoU − (d²/c²)^0.6 [box.c:box_diou]; the exponent is fixed in Darknet, and 1 in the paper.
greedynms = partial(greedy, beta=0.6)
#: By IoU − (d²/c²)^beta, Darknet's key `beta_nms` [diou, §4.3; box.c:diounms_sort].
diounms = partial(greedy, beta=0.6)
