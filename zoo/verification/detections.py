"""Ours and a reference's detections, after suppression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.verification.inputs import Input, to_pixels
from zoo.verification.reference import AGREES, DIFFERS, Reference, Tolerances, difference
from zoo.verification.suppression import LIMITS


@dataclass(frozen=True)
class DetectionRow:
    """What is left after suppression at one score threshold.

    Attributes:
        threshold: detections score more than this.
        ours: how many our model has.
        reference: how many the reference has.
        same_rows: each has its partner of the same class, but for scores at the threshold itself.
        same_order: they fall in score alike, but for scores that are equal within the tolerance.
        max_box_error: relative to the picture, or to the box if that is larger.
        max_score_error: of scores.
        verdict: `"agrees"` or `"differs"`.
    """

    threshold: float
    ours: int
    reference: int
    same_rows: bool
    same_order: bool
    max_box_error: float
    max_score_error: float
    verdict: str


def detections(detector: Any, picture: Input, threshold: float) -> tuple[Any, bool]:
    """Of the model as a user calls it, compiled.

    Returns:
        `supervision.Detections` in pixels, and whether there were more candidates than are looked
        at, as untrained weights have them.
    """
    predictor = detector.predictor(windowed=True, score_threshold=threshold, **LIMITS)
    outputs = predictor.predict_on_batch([picture.network[None], picture.window[None]])
    cut = int(outputs["candidates"][0]) > LIMITS["max_candidates"]
    return to_pixels(outputs, picture), cut


def above(found: Any, threshold: float) -> Any:
    """The detections that score more.

    A detection is suppressed by better ones only, so those above a higher threshold are the same.
    """
    return found[found.confidence > threshold]


def compare_detections(
    ours: Any, reference: Reference, picture: Input, *, cut: bool = False
) -> list[DetectionRow]:
    """The detections of ours and of the reference at each threshold that it knows.

    Args:
        ours: the model's, above the lowest of the thresholds.
        reference: the reference's.
        picture: what both have seen.
        cut: candidates were left out; then which is the last of them is as open as what lies at
            the threshold itself.
    """
    rows = []
    for threshold in reference.thresholds:
        mine, theirs = above(ours, threshold), reference.detections(threshold)
        limits = [threshold]
        if cut and len(mine) and len(theirs):
            limits += [mine.confidence.min(), theirs.confidence.min()]
        rows.append(_detection_row(mine, theirs, limits, reference.tolerances, picture))
    return rows


def _detection_row(
    ours: Any, theirs: Any, limits: list[float], tolerances: Tolerances, picture: Input
) -> DetectionRow:
    height, width = picture.geometry.original
    pairs = _pairs(ours, theirs)
    mine, yours = (np.array([pair[side] for pair in pairs], int) for side in (0, 1))
    sides = theirs.xyxy[yours, 2:] - theirs.xyxy[yours, :2]
    unit = np.tile(np.maximum(sides, [width, height]), 2)
    box = difference(ours.xyxy[mine] / unit, theirs.xyxy[yours] / unit).absolute
    score = difference(ours.confidence[mine], theirs.confidence[yours]).absolute
    alone = [*np.delete(ours.confidence, mine), *np.delete(theirs.confidence, yours)]
    rows = all(min(abs(np.subtract(limits, one))) <= tolerances.score for one in alone)
    order = _same_order(mine, theirs.confidence[yours], tolerances.score)
    good = rows and order and box <= tolerances.box and score <= tolerances.score
    return DetectionRow(
        limits[0], len(ours), len(theirs), rows, order, box, score, AGREES if good else DIFFERS
    )


def _pairs(ours: Any, theirs: Any) -> list[tuple[int, int]]:
    """Each of theirs with the nearest of ours of its class that is still free."""
    free, pairs = set(range(len(ours))), []
    for number, (box, label) in enumerate(zip(theirs.xyxy, theirs.class_id, strict=True)):
        same = [index for index in sorted(free) if ours.class_id[index] == label]
        if same:
            nearest = min(same, key=lambda index: np.abs(ours.xyxy[index] - box).max())
            free.remove(nearest)
            pairs.append((nearest, number))
    return pairs


def _same_order(ranks: np.ndarray, scores: np.ndarray, tolerance: float) -> bool:
    swapped = ranks[:, None] > ranks[None, :]
    before = np.arange(len(ranks))[:, None] < np.arange(len(ranks))[None, :]
    told_apart = scores[:, None] - scores[None, :] > 2 * tolerance
    return not (swapped & before & told_apart).any()
