"""mAP, precision, recall and F1 as `darknet detector map` counts them, in doubles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Only these detections does `detector map` look at; they come from NMS at an IoU of 0.45.
SCORE = 0.005
#: Ways to measure the area under a curve: 0 = exactly, 11 [voc, §4.2], 101 [cocoapi].
POINTS = (0, 11, 101)


@dataclass(frozen=True)
class Matches:
    """Detections in the order of their image's, and the objects they hit.

    Attributes:
        classes: int (n,), indices.
        scores: float (n,).
        objects: int (n,), number of the object that a detection hits, −1 for none.
        overlaps: float (n,), IoU with that object, 0 for none.
        counts: int (classes,), objects of each class.
    """

    classes: np.ndarray
    scores: np.ndarray
    objects: np.ndarray
    overlaps: np.ndarray
    counts: np.ndarray


def darknet_map(
    truth: Mapping[str, Any],
    detections: Sequence[Mapping[str, Any]],
    *,
    iou_threshold: float = 0.5,
    confidence: float = 0.25,
) -> dict[str, Any]:
    """Scores of detections by Darknet's rules [detector.c:validate_detector_map].

    They are not PASCAL's nor COCO's. A detection hits the object of its class that it overlaps
    most, whether that is taken or not; of the detections that hit one object, the best is right in
    the ranking of AP, and the *first in the given order* in precision, recall and average IoU. A
    class without objects counts as AP 0. Crowd and difficult boxes are no objects, and a detection
    there is wrong: Darknet's labels lack them.

    Args:
        truth: ground truth in COCO's format.
        detections: in COCO's results format; each image's in Darknet's order, see `darknet_order`.
        iou_threshold: a hit overlaps more than this.
        confidence: precision, recall, F1 and average IoU are of detections that score more.

    Returns:
        mAP, by points (0, 11, 101), in [0, 1]; AP_per_class, by points and in the order of the
        categories; average_iou, precision, recall, F1; TP, FP, FN.
    """
    found = _matches(truth, detections, iou_threshold)
    per_class = {points: _ap_per_class(found, points) for points in POINTS}
    return {
        "mAP": {str(points): float(np.mean(values)) for points, values in per_class.items()},
        **_at_confidence(found, confidence),
        "AP_per_class": {str(points): values for points, values in per_class.items()},
    }


def darknet_order(detections: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Detections in the order in which Darknet's NMS leaves them [box.c:do_nms_sort].

    It sorts boxes by their score of class 0, then anew of class 1, …, so that the last class
    decides; the classes of one box follow each other. Scores that NMS has set to zero are not
    known here any more, wherefore a few boxes stand elsewhere than in Darknet.
    """
    images: dict[Any, dict[tuple, list]] = defaultdict(lambda: defaultdict(list))
    for found in detections:
        images[found["image_id"]][tuple(found["bbox"])].append(found)
    ordered = []
    for boxes in images.values():
        rows = [sorted(rows, key=lambda row: row["category_id"]) for rows in boxes.values()]
        rows.sort(key=lambda rows: [(-r["category_id"], -r["score"]) for r in reversed(rows)])
        ordered += [row for box in rows for row in box]
    return ordered


def _matches(
    truth: Mapping[str, Any], detections: Sequence[Mapping[str, Any]], threshold: float
) -> Matches:
    index = {category["id"]: number for number, category in enumerate(truth["categories"])}
    objects: dict[Any, list] = defaultdict(list)
    counts = np.zeros(len(index), int)
    for annotation in truth["annotations"]:
        if not annotation.get("iscrowd", 0):
            label = index[annotation["category_id"]]
            objects[annotation["image_id"]].append((label, *annotation["bbox"]))
            counts[label] += 1
    rows: dict[Any, list] = defaultdict(list)
    for found in detections:
        label = index[found["category_id"]]
        rows[found["image_id"]].append((label, *found["bbox"], found["score"]))
    parts = list(_match_images(rows, objects, threshold)) or [(np.zeros(0),) * 4]
    classes, scores, hit, overlaps = map(np.concatenate, zip(*parts, strict=True))
    return Matches(classes.astype(int), scores, hit.astype(int), overlaps, counts)


def _match_images(
    rows: Mapping[Any, list], objects: Mapping[Any, list], threshold: float
) -> Iterator[tuple[np.ndarray, ...]]:
    first = 0  # number of the image's first object
    for image, found in rows.items():
        detected, real = np.array(found), np.array(objects.get(image, ())).reshape(-1, 5)
        overlap = _iou(detected[:, 1:5], real[:, 1:])
        overlap[detected[:, :1] != real[:, 0]] = 0
        best = overlap.max(axis=1, initial=0)
        hits = best > threshold
        number = overlap.argmax(axis=1) if len(real) else np.zeros(len(found), int)
        yield (
            detected[:, 0],
            detected[:, 5],
            np.where(hits, first + number, -1),
            np.where(hits, best, 0),
        )
        first += len(real)


def _iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU (n, m) of boxes left, top, width, height."""
    near = np.maximum(a[:, None, :2], b[:, :2])
    far = np.minimum(a[:, None, :2] + a[:, None, 2:], b[:, :2] + b[:, 2:])
    shared = np.maximum(far - near, 0).prod(axis=-1)
    union = a[:, None, 2:].prod(axis=-1) + b[:, 2:].prod(axis=-1) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _ap_per_class(found: Matches, points: int) -> list[float]:
    ranking = np.argsort(-found.scores, kind="stable")
    first = _first_hits(found.objects[ranking])
    classes = found.classes[ranking]
    return [
        _average_precision(first[classes == label], count, points)
        for label, count in enumerate(found.counts)
    ]


def _average_precision(hits: np.ndarray, count: int, points: int) -> float:
    if not count or not len(hits):
        return 0.0
    right = np.cumsum(hits)
    recall, precision = right / count, right / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    if points == 0:
        return float(np.diff(recall, prepend=0) @ envelope)
    # k / 10 and not k · 0.1, which misses recalls that are exactly on the grid.
    grid = np.arange(points) / (points - 1)
    return float(np.append(envelope, 0)[np.searchsorted(recall, grid)].mean())


def _at_confidence(found: Matches, confidence: float) -> dict[str, float]:
    right = _first_hits(found.objects) & (found.scores > confidence)
    positives, tp = int((found.scores > confidence).sum()), int(right.sum())
    fp, fn = positives - tp, int(found.counts.sum()) - tp
    return {
        "average_iou": float(found.overlaps[right].sum() / max(1, positives)),
        "precision": tp / max(1, positives),
        "recall": tp / max(1, tp + fn),
        "F1": 2 * tp / max(1, 2 * tp + fp + fn),
        "TP": tp,
        "FP": fp,
        "FN": fn,
    }


def _first_hits(objects: np.ndarray) -> np.ndarray:
    """Bool (n,): no earlier detection hits the same object."""
    first = np.zeros(len(objects), bool)
    first[np.unique(objects, return_index=True)[1]] = True
    return first & (objects >= 0)
