"""The numbers of a YOLO loss, one for all levels or one for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from zoo.errors import ZooError, nearest
from zoo.loss.box_deltas import LOSSES
from zoo.ops.levels import per_level
from zoo.ranges import BELOW_ONE, POSITIVE, SHARE, WEIGHT, check_number

#: What the numbers of `Settings` may be.
RANGES = {
    "ignore_threshold": SHARE,
    "truth_threshold": SHARE,
    "iou_threshold": SHARE,
    "box_normalizer": WEIGHT,
    "objectness_normalizer": WEIGHT,
    "class_normalizer": WEIGHT,
    "max_delta": POSITIVE,
    "label_smoothing": BELOW_ONE,
}


class Settings(NamedTuple):
    """The settings of one level, as `zoo.loss.yolo.YoloLoss` explains them."""

    box: str
    ignore_threshold: float
    truth_threshold: float
    iou_threshold: float
    box_normalizer: float
    objectness_normalizer: float
    class_normalizer: float
    max_delta: float | None
    label_smoothing: float
    objectness_smooth: bool
    focal: bool
    class_counts: Sequence[float] | None


def settings_by_level(head: Any, **given: Any) -> dict[str, Settings]:
    """`Settings` of each level of a head.

    Args:
        head: `masks` names its levels.
        **given: the fields of `Settings`, each a value for all levels or a mapping by level.

    Raises:
        ZooError: the head has no anchors, a mapping has other levels, there is no such box loss, a
            number is out of its range, or `class_counts` are not one positive number a class.
    """
    check_head(head)
    spread = {key: per_level(f"loss {key}", value, head.masks) for key, value in given.items()}
    settings = {
        level: Settings(**{key: values[level] for key, values in spread.items()})
        for level in head.masks
    }
    for of_level in settings.values():
        if of_level.box not in LOSSES:
            raise ZooError(f"no box loss {of_level.box!r}; {nearest(of_level.box, LOSSES)}")
        for key, fits in RANGES.items():
            value = getattr(of_level, key)
            if value is not None or key != "max_delta":
                check_number(f"loss {key}", value, fits)
        check_counts(of_level.class_counts, head.num_classes)
    return settings


def check_head(head: Any) -> None:
    """Refuse a head that has no levels of anchors, as one of a third party.

    Raises:
        ZooError: that is so.
    """
    if not hasattr(head, "masks"):
        raise ZooError(
            f"this loss is of heads with anchors and `masks`, which {type(head).__name__} has not; "
            "choose the loss of that head with model/loss=…"
        )


def check_counts(counts: Sequence[float] | None, num_classes: int) -> None:
    """Refuse counts that are not one positive number for each class.

    Raises:
        ZooError: that is so.
    """
    if counts is None:
        return
    if len(counts) != num_classes or not all(count > 0 for count in counts):
        raise ZooError(
            f"loss class_counts {list(counts)}: needs a positive number for each of the "
            f"{num_classes} classes"
        )
