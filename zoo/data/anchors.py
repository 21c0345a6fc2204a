"""Anchors and the boxes of a data set: how well they fit, and anchors that fit better."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.data.geometry import resized_sides
from zoo.data.sample import Source

log = logging.getLogger(__name__)
#: Boxes that are compared with the anchors at once.
BLOCK = 1 << 16
#: With a smaller best possible recall a warning is due.
ENOUGH_RECALL = 0.98
#: A box can learn from an anchor if no side is more than so many times the other's
#: (`anchor_t` of the authors of Scaled-YOLOv4).
LARGEST_RATIO = 4.0
#: Of k-means [detector.c:calc_anchors].
MOST_ROUNDS = 1000


@dataclass(frozen=True)
class AnchorFit:
    """How well anchors fit boxes.

    Attributes:
        average_iou: mean over boxes of the IoU with the best anchor, both centred
            [detector.c:calc_anchors].
        recall: share of boxes for which an anchor is within a factor of four on both sides: the
            best possible recall of an assignment by ratio.
        recall50: share of boxes whose best anchor has an IoU of at least one half.
        boxes: how many boxes.
    """

    average_iou: float
    recall: float
    recall50: float
    boxes: int


def centred_iou(wh: Any, anchors: Any) -> np.ndarray:
    """IoU of boxes (n, 2) and anchors (k, 2), width and height, about one centre; (n, k)."""
    wh, anchors = np.asarray(wh, np.float64), np.asarray(anchors, np.float64)
    intersection = np.minimum(wh[:, None], anchors).prod(-1)
    return intersection / (wh.prod(-1)[:, None] + anchors.prod(-1) - intersection)


def fit_of(wh: Any, anchors: Any) -> AnchorFit:
    """How well anchors (k, 2) fit boxes (n, 2), width and height in the same unit."""
    wh, anchors = np.asarray(wh, np.float64), np.asarray(anchors, np.float64)
    if not len(wh):
        return AnchorFit(1.0, 1.0, 1.0, 0)
    best, worst = (np.concatenate(part) for part in zip(*_best_and_worst(wh, anchors), strict=True))
    return AnchorFit(
        float(best.mean()), float((worst < LARGEST_RATIO).mean()), float((best >= 0.5).mean()),
        len(wh),
    )  # fmt: skip


def _best_and_worst(wh: np.ndarray, anchors: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of each box the best IoU and the least ratio of sides, a part of millions at a time."""
    for start in range(0, len(wh), BLOCK):
        block = wh[start : start + BLOCK]
        ratio = block[:, None] / anchors
        yield centred_iou(block, anchors).max(1), np.maximum(ratio, 1 / ratio).max(-1).min(1)


def anchor_fit(
    source: Source, anchors: Sequence[Sequence[float]], size: Sequence[int], mode: str
) -> AnchorFit:
    """How well anchors fit the boxes of a data set at the network input.

    Args:
        source: the data set; crowd boxes, and boxes under a pixel, do not count.
        anchors: (k, 2) width and height, pixels of the network input.
        size: height and width of the network input, pixels.
        mode: `"stretch"` or `"letterbox"`.
    """
    return fit_of(trainable_sides(source, size, mode), anchors)


def trainable_sides(source: Source, size: Sequence[int], mode: str) -> np.ndarray:
    """Width and height (n, 2) of the boxes that training sees, pixels of the network input."""
    sides = resized_sides(source, size, mode=mode)
    return sides[(sides >= 1).all(axis=1)]


def used_anchors(head: Mapping[str, Any]) -> list[list[float]]:
    """The anchors of a head's config that belong to a level, each once."""
    return [list(head["anchors"][index]) for index in used_indices(head)]


def used_indices(head: Mapping[str, Any]) -> list[int]:
    """The places, in the anchors of a head's config, of those that belong to a level, sorted."""
    used = {index for mask in head.get("masks", {}).values() for index in mask}
    return [index for index in range(len(head.get("anchors", []))) if index in used]


def warn_of_unfit_anchors(
    source: Source, head: Mapping[str, Any], size: Sequence[int], mode: str
) -> None:
    """Say in the log, before training, if anchors are beyond all masks or far from some boxes.

    Args:
        source: the training split.
        head: config of the head; nothing is said of a head without anchors.
        size: height and width of the network input, pixels.
        mode: `"stretch"` or `"letterbox"`.
    """
    if not (anchors := used_anchors(head)):
        return
    # One below the last may be left out on purpose, as anchor 0 of yolov4_tiny in its cfg.
    count, last = len(head["anchors"]), used_indices(head)[-1]
    if last < count - 1:
        log.warning(
            "model.head.masks end at anchor %d of %d (counted from 0): no level uses those after "
            "it; add them to a mask", last, count,
        )  # fmt: skip
    found = anchor_fit(source, anchors, size, mode)
    if found.recall < ENOUGH_RECALL:
        log.warning(
            "the anchors do not fit the data: %.1f %% of %d boxes are more than four times as wide "
            "or as high as any of them, or the other way round (average IoU %.3f); "
            "python -m zoo.anchors with the same keys proposes better ones",
            100 * (1 - found.recall), found.boxes, found.average_iou,
        )  # fmt: skip


def kmeans(wh: Any, clusters: int, rng: np.random.Generator) -> np.ndarray:
    """k-means with distance 1 − IoU from random boxes, as Darknet [detector.c:calc_anchors].

    A centre that loses all its boxes stays where it is.

    Args:
        wh: boxes (n, 2), width and height.
        clusters: k; at most the number of distinct boxes.
        rng: chooses the boxes that are centres at first.

    Returns:
        float64 (k, 2), smallest area first.
    """
    wh = np.asarray(wh, np.float64)
    distinct = np.unique(wh, axis=0)
    centres = distinct[rng.choice(len(distinct), clusters, replace=False)]
    before = None
    for _ in range(MOST_ROUNDS):
        nearest = centred_iou(wh, centres).argmax(1)
        if before is not None and (nearest == before).all():
            break
        counts = np.bincount(nearest, minlength=clusters)
        sums = np.stack([np.bincount(nearest, side, minlength=clusters) for side in wh.T], 1)
        centres = np.where(counts[:, None], sums / np.maximum(counts, 1)[:, None], centres)
        before = nearest
    return by_area(centres)


def evolve(
    wh: Any, anchors: Any, rng: np.random.Generator, *, generations: int = 1000
) -> np.ndarray:
    """Random changes of some sides by about a tenth, kept where the average IoU grows.

    Args:
        wh: boxes (n, 2), width and height.
        anchors: (k, 2) to start from.
        rng: where chance comes from.
        generations: how many changes to try.

    Returns:
        float64 (k, 2), smallest area first; never worse than `anchors`.
    """
    best = np.asarray(anchors, np.float64)
    fitness = centred_iou(wh, best).max(1).mean()
    for _ in range(generations):
        step = np.exp(rng.normal(0, 0.1, best.shape) * (rng.random(best.shape) < 0.3))
        child = best * step
        if (better := centred_iou(wh, child).max(1).mean()) > fitness:
            best, fitness = child, better
    return by_area(best)


def by_area(anchors: np.ndarray) -> np.ndarray:
    """Anchors (k, 2), smallest area first."""
    return anchors[anchors.prod(-1).argsort(kind="stable")]
