"""The best (box, class) pairs of each image, without ranking all of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops

from zoo.errors import ZooError, nearest
from zoo.ops.compile import accelerated
from zoo.ranges import POSITIVE, SHARE, check_number, check_whole

Detections = dict[str, Any]

#: A corner further out is none: scaled to pixels it might be infinite.
LARGEST = 1e30
#: Boxes that are ranked as one where there are many.
GROUP = 16
DECAYS = ("gaussian", "linear")
LIMITS = ("max_candidates", "max_detections", "max_per_class")
NUMBERS = {"score_threshold": SHARE, "iou_threshold": SHARE, "sigma": POSITIVE, "beta": POSITIVE}
SCORE, CLASS = 4, 5  # of a row


class Draw(NamedTuple):
    """Pairs in falling order of score, equal ones by box, then by class; and what is left.

    rows: float (6, batch, k): x1, y1, x2, y2, score and class, each on its own, so that a CPU
        works on whole vectors; the score is 0 where no pair was left.
    last: score and place, (batch,), of the last pair: where the next draw begins.
    looked_at: the boxes in which the pairs were sought, int (batch, k).
    left: the best score in each of these behind `last`, (batch, k).
    """

    rows: Any
    last: tuple[Any, Any]
    looked_at: Any
    left: Any


class Pool:
    """Pairs that may be detections, drawn best first.

    A pair is a candidate when its score exceeds `score_threshold`, its box is not beyond `LARGEST`,
    as an untrained network's may be, and all scores of the box are numbers.

    The k best pairs lie in the k boxes whose best pairs are best. So one maximum a box is taken
    over all scores, and pairs are ranked within k boxes only.

    Args:
        boxes: xyxy (batch, n, 4).
        scores: (batch, n, classes).
        size: pairs in a draw.
        score_threshold: candidates score more than this, and more than 0.
        multi_label: whether a box is a candidate with every class, or with its best one only.
    """

    def __init__(
        self, boxes: Any, scores: Any, *, size: int, score_threshold: float, multi_label: bool
    ):
        images, self.boxes_each, self.classes = ops.shape(scores)
        #: Of all images one below the other, and where each image begins.
        self.boxes = ops.reshape(boxes, (-1, 4))
        self.scores = ops.reshape(scores, (-1, self.classes))
        self.begin = self.boxes_each * ops.arange(images, dtype="int32")
        self.size, self.threshold, self.multi_label = size, max(score_threshold, 0.0), multi_label
        best = ops.max(scores, axis=-1)
        finite = ops.all(ops.abs(boxes) < LARGEST, axis=-1)
        # A sum is a number only if all its parts are; whether a maximum is, backends differ.
        finite = ops.logical_and(finite, ops.isfinite(ops.sum(scores, axis=-1)))
        best = ops.where(ops.logical_and(finite, best > self.threshold), best, 0.0)
        # Fewer boxes than `size` are filled up; what is drawn from the filling scores 0.
        filling = ops.zeros((images, size), dtype=best.dtype)
        #: Best score of each box, 0 where it has no candidate, (batch, n + size).
        self.best = ops.concatenate([best, filling], axis=-1)

    def image(self, index: Any) -> Pool:
        """The pool of one image, a batch of one."""
        one = copy.copy(self)
        one.begin, one.best = self.begin[index][None], self.best[index][None]
        return one

    def start(self) -> tuple[Any, Any]:
        """Before the first pair, as `last` of a draw."""
        none = ops.zeros_like(self.best[:, 0])
        return none + float("inf"), ops.cast(none, "int32") - 1

    def draw(self, best: Any, after: tuple[Any, Any]) -> Draw:
        """The `size` best pairs behind one.

        Args:
            best: best score that is left in each box; `self.best` before the first draw.
            after: `last` of the draw before.
        """
        batch = ops.shape(best)[0]
        looked_at, row, scores = self._candidates_of(best)
        place = row[..., None] * self.classes + ops.arange(self.classes, dtype="int32")
        scores = _behind(scores, place, after)
        found, position = top_k(ops.reshape(scores, (batch, self.size * self.classes)), self.size)
        row = ops.take_along_axis(row, position // self.classes, axis=1)
        label = position % self.classes
        corners = ops.take(self.boxes, row + self.begin[:, None], axis=0)
        rows = [*ops.unstack(corners, axis=-1), found, ops.cast(label, found.dtype)]
        last = _last(found, row * self.classes + label)
        left = ops.max(_behind(scores, place, last), axis=-1)
        return Draw(ops.stack(rows), last, looked_at, left)

    def drawn(self, draw: Draw) -> Any:
        """Candidates of a first draw, and one more if others are left, int32 (batch,)."""
        found = ops.sum(ops.cast(draw.rows[SCORE] > 0, "int32"), axis=-1)
        return found + any_left(taken(self.best, draw))

    def _candidates_of(self, best: Any) -> tuple[Any, Any, Any]:
        """The best boxes in their own order, clipped to those there are, and their candidates."""
        looked_at = largest(best, self.size)
        row = ops.minimum(looked_at, self.boxes_each - 1)
        scores = ops.take(self.scores, row + self.begin[:, None], axis=0)
        open_ = ops.take_along_axis(best, looked_at, axis=1) > 0
        candidate = ops.logical_and(open_[..., None], scores > self.threshold)
        scores = ops.where(candidate, scores, 0.0)
        if not self.multi_label:
            first = ops.cast(ops.argmax(scores, axis=-1), "int32")[..., None]
            scores = ops.where(ops.arange(self.classes, dtype="int32") == first, scores, 0.0)
        return looked_at, row, scores


def largest(values: Any, k: int) -> Any:
    """Places (batch, k) of the k largest of the last axis, in their own order; of equals the first.

    They lie in the k groups whose largest are largest. To rank those, and then their members, takes
    half the time where there are many.

    Args:
        values: (batch, n), none below 0, n at least k.
        k: how many.
    """
    batch, number = ops.shape(values)
    # Of a network that is asked for another size the number is a tensor when TensorFlow traces.
    if not isinstance(number, int) or number < 4 * GROUP * k:
        return ops.sort(top_k(values, k)[1], axis=-1)
    # Zeros at the end fill up the last group: before them there are k that are not less.
    values = ops.pad(values, ((0, 0), (0, -number % GROUP)))
    groups = ops.reshape(values, (batch, -1, GROUP))
    chosen = largest(ops.max(groups, axis=-1), k)
    members = ops.take_along_axis(groups, chosen[..., None], axis=1)
    _, position = top_k(ops.reshape(members, (batch, k * GROUP)), k)
    group = ops.take_along_axis(chosen, position // GROUP, axis=1)
    return ops.sort(group * GROUP + position % GROUP, axis=-1)


def _last(found: Any, place: Any) -> tuple[Any, Any]:
    """Score and place of the last of a draw."""
    # Not found[:, -1]: with that, XLA no longer recognises the top_k and sorts all.
    lowest = ops.min(found, axis=-1)
    return lowest, ops.max(ops.where(found == lowest[:, None], place, -1), axis=-1)


def _behind(scores: Any, place: Any, after: tuple[Any, Any]) -> Any:
    score, last = (x[:, None, None] for x in after)
    behind = ops.logical_or(scores < score, ops.logical_and(scores == score, place > last))
    return ops.where(behind, scores, 0.0)


def taken(best: Any, draw: Draw) -> Any:
    """Best score of each box after a draw: only where it looked is less left."""
    image = ops.arange(ops.shape(best)[0], dtype="int32")[:, None]
    image = ops.broadcast_to(image, ops.shape(draw.looked_at))
    where = ops.reshape(ops.stack([image, draw.looked_at], axis=-1), (-1, 2))
    return ops.scatter_update(best, where, ops.reshape(draw.left, (-1,)))


def any_left(best: Any) -> Any:
    """1 where a box has a candidate left, int32 (batch,)."""
    return ops.cast(ops.any(best > 0, axis=-1), "int32")


def by_image(suppress: Callable[[Pool], tuple[Any, Any, Any]], pool: Pool) -> tuple[Any, Any, Any]:
    """`suppress` of a pool: one image after another on a CPU, all at once on an accelerator.

    Loops over a batch go on until its slowest image is done, and a CPU does the work of all.

    Args:
        suppress: pool → rows (6, batch, k), and two numbers (batch,).
        pool: of all images.
    """
    images = ops.shape(pool.begin)[0]
    if accelerated() or (isinstance(images, int) and images == 1):
        return suppress(pool)

    def one(index: Any) -> tuple[Any, ...]:
        rows, *numbers = suppress(pool.image(index))
        return rows[:, 0], *(number[0] for number in numbers)

    rows, *numbers = ops.map(one, ops.arange(images, dtype="int32"))
    return ops.transpose(rows, (1, 0, 2)), *numbers


def check_settings(**settings: Any) -> None:
    """Refuse settings of an NMS of ours that mean nothing; it needs no boxes for that.

    Args:
        **settings: keywords of the NMS; those that every value of their type fits are not looked
            at, and neither are thresholds and factors that are tensors.

    Raises:
        ZooError: a limit is no whole number, or below 1; a threshold is not in [0, 1]; `sigma` or
            `beta` is not positive and finite; `decay` is neither `"gaussian"` nor `"linear"`.
    """
    for key, value in settings.items():
        if key == "decay" and value not in DECAYS:
            raise ZooError(f"nms has no decay {value!r}; {nearest(value, DECAYS)}")
        if key in LIMITS and value is not None:
            check_whole(f"nms {key}", value, least=1)
        if key in NUMBERS and value is not None and not ops.is_tensor(value):
            check_number(f"nms {key}", value, NUMBERS[key])


def top_k(values: Any, k: int) -> tuple[Any, Any]:
    """The k largest of the last axis in falling order, of equals the first; index int32."""
    if keras.backend.backend() == "torch":  # its topk leaves the order of equals open
        index = ops.argsort(-values, axis=-1)[..., :k]
        return ops.take_along_axis(values, index, axis=-1), ops.cast(index, "int32")
    found, index = ops.top_k(values, k)
    return found, ops.cast(index, "int32")


def detections(rows: Any, count: Any, candidates: Any) -> Detections:
    """What every NMS gives, from its kept rows, of which the first `count` are valid.

    Returns:
        boxes xyxy (batch, k, 4), scores (batch, k), classes int32 (batch, k), in falling order of
        score and zero from `count` on; count, int32 (batch,); candidates, int32 (batch,): how many
        were found until NMS was done, and one more if others are left: more than `max_candidates`
        where it did not look at all.
    """
    valid = ops.arange(ops.shape(rows)[2])[None] < count[:, None]
    *corners, scores, classes = ops.unstack(ops.where(valid[None], rows, 0.0))
    return {
        "boxes": ops.stack(corners, axis=-1),
        "scores": scores,
        "classes": ops.cast(classes, "int32"),
        "count": count,
        "candidates": candidates,
    }
