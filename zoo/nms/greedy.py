"""Greedy suppression: exact, a block of candidates at a time."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from keras import ops

from zoo.nms.candidates import (
    CLASS,
    SCORE,
    Detections,
    Pool,
    any_left,
    by_image,
    check_settings,
    detections,
    taken,
)
from zoo.nms.overlap import EXPONENT, Suppresses, by_distance_iou, by_iou

#: Candidates that are drawn, and settled, at once.
BLOCK = 96


def greedy(
    beta: float | None,
    boxes: Any,
    scores: Any,
    *,
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
    blocks until `max_detections` are kept, so the cost grows with what passes the threshold and
    no array is larger than the scores.

    Args:
        beta: overlap is IoU − (d²/c²)^beta [diou, §4.3], or IoU alone if it is None.
        boxes: xyxy, (batch, n, 4), one unit throughout.
        scores: (batch, n, classes), in [0, 1].
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
        ZooError: a limit is below 1, a threshold not in [0, 1], `beta` not positive.
    """
    check_settings(
        beta=beta,
        score_threshold=score_threshold,
        iou_threshold=iou_threshold,
        max_candidates=max_candidates,
        max_detections=max_detections,
        max_per_class=max_per_class,
    )
    pool = Pool(
        boxes,
        scores,
        size=min(BLOCK, max_candidates),
        score_threshold=score_threshold,
        multi_label=multi_label,
    )
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
    images, size = ops.shape(pool.best)[0], pool.size
    count = ops.sum(ops.zeros_like(pool.best, dtype="int32"), axis=-1)
    # Rows in falling order of score; behind them one where all is put that is not kept.
    kept = ops.zeros((images, max_detections + 1, 6), dtype=pool.best.dtype)

    def rows(kept: Any) -> Any:
        return ops.transpose(kept[:, :max_detections], (2, 0, 1))

    def unfinished(number: Any, after: Any, best: Any, kept: Any, count: Any, seen: Any) -> Any:
        open_ = ops.any(ops.logical_and(after[0] > 0, count < max_detections))
        return ops.logical_and(open_, number < max_candidates)

    def next_block(
        number: Any, after: Any, best: Any, kept: Any, count: Any, seen: Any
    ) -> tuple[Any, ...]:
        draw = pool.draw(best, after)
        inside = ops.arange(size, dtype="int32") < max_candidates - number
        block = ops.where(inside[None, None], draw.rows, 0.0)
        keep = _settle(rule, block, rows(kept), count)
        kept, count = _append(kept, count, block, keep)
        seen = seen + _number(draw.rows[SCORE] > 0)
        return number + size, draw.last, taken(best, draw), kept, count, seen

    state = (0, pool.start(), pool.best, kept, count, count)
    _, _, best, kept, count, seen = ops.while_loop(unfinished, next_block, state)
    return rows(kept), count, seen + any_left(best)


class Rule(NamedTuple):
    """When a box that is kept suppresses another, and how many of a class are kept."""

    suppresses: Suppresses
    threshold: float
    class_agnostic: bool
    max_per_class: int | None

    def between(self, kept: Any, others: Any) -> Any:
        """Bool (batch, others, kept) from rows (6, batch, …)."""
        a, b = ops.unstack(kept[:, :, None, :]), ops.unstack(others[:, :, :, None])
        beaten = self.suppresses(a, b, self.threshold)
        if self.class_agnostic:
            return beaten
        return ops.logical_and(a[CLASS] == b[CLASS], beaten)


def _settle(rule: Rule, block: Any, kept: Any, count: Any) -> Any:
    """Which candidates of a block (6, batch, k) are kept, bool (batch, k).

    Greedy suppression is the fixed point of keep[i] = no kept j before i suppresses i: after t
    rounds from "keep all" every chain of t suppressions is settled.
    """
    is_kept = (ops.arange(kept.shape[2], dtype="int32")[None] < count[:, None])[:, None, :]
    beaten = ops.any(ops.logical_and(is_kept, rule.between(kept, block)), axis=2)
    free = ops.logical_and(block[SCORE] > 0, ops.logical_not(beaten))
    order = ops.arange(block.shape[2])
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
    images, limit = ops.shape(kept)[0], kept.shape[1] - 1
    total = count[:, None] + ops.cumsum(ops.cast(keep, "int32"), axis=1)
    slot = ops.where(keep, ops.minimum(total - 1, limit), limit)
    image = ops.broadcast_to(ops.arange(images, dtype="int32")[:, None], ops.shape(slot))
    where = ops.reshape(ops.stack([image, slot], axis=-1), (-1, 2))
    kept = ops.scatter_update(kept, where, ops.reshape(ops.transpose(block, (1, 2, 0)), (-1, 6)))
    return kept, ops.minimum(total[:, -1], limit)


#: By IoU [box.c:do_nms_sort].
default = partial(greedy, None)
#: By IoU − (d²/c²)^0.6 [box.c:box_diou]; the exponent is fixed in Darknet, and 1 in the paper.
greedynms = partial(greedy, EXPONENT)


def diounms(
    boxes: Any,
    scores: Any,
    *,
    beta: float = EXPONENT,
    score_threshold: float = 0.25,
    iou_threshold: float = 0.45,
    max_candidates: int = 4096,
    max_detections: int = 300,
    max_per_class: int | None = None,
    class_agnostic: bool = False,
    multi_label: bool = True,
) -> Detections:
    """By IoU − (d²/c²)^beta, Darknet's key `beta_nms` [diou, §4.3; box.c:diounms_sort].

    Arguments and result as `greedy`, of which this is the one kind whose exponent a config sets.
    """
    return greedy(
        beta,
        boxes,
        scores,
        score_threshold=score_threshold,
        iou_threshold=iou_threshold,
        max_candidates=max_candidates,
        max_detections=max_detections,
        max_per_class=max_per_class,
        class_agnostic=class_agnostic,
        multi_label=multi_label,
    )
