"""Anchors from the sides of boxes, in NumPy: overlap, k-means, genetic refinement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

#: A box can learn from an anchor if no side is more than so many times the other's
#: (`anchor_t` of the authors of Scaled-YOLOv4).
LARGEST_RATIO = 4.0


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
    best = centred_iou(wh, anchors).max(1)
    ratio = wh[:, None] / anchors
    worst = np.maximum(ratio, 1 / ratio).max(-1).min(1)
    return AnchorFit(
        float(best.mean()), float((worst < LARGEST_RATIO).mean()), float((best >= 0.5).mean()),
        len(wh),
    )  # fmt: skip


def kmeans(wh: Any, clusters: int, rng: np.random.Generator, *, rounds: int = 1000) -> np.ndarray:
    """k-means with distance 1 − IoU from random boxes, as Darknet [detector.c:calc_anchors].

    A centre that loses all its boxes stays where it is.

    Args:
        wh: boxes (n, 2), width and height.
        clusters: k; at most the number of distinct boxes.
        rng: chooses the boxes that are centres at first.
        rounds: at most so many.

    Returns:
        float64 (k, 2), smallest area first.
    """
    wh = np.asarray(wh, np.float64)
    distinct = np.unique(wh, axis=0)
    centres = distinct[rng.choice(len(distinct), clusters, replace=False)]
    before = None
    for _ in range(rounds):
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
