"""Why the scores are what they are: classes, curves, confusions, kinds of error, sizes, labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import hotcoco
import numpy as np

from zoo.data.sample import MEDIUM, Source
from zoo.evaluation.coco import coco_evaluation, numbers_of
from zoo.evaluation.darknet_map import SCORE, darknet_map, darknet_order
from zoo.evaluation.run import Result

CONFIDENCES = np.arange(1, 100) / 100
#: COCO's ranges of area [cocoapi, Params.setDetParams] in the order of its arrays, after `all`.
SIZES = ("small", "medium", "large")
LIMITS = (0, *(side**2 for side in MEDIUM), 1e10)  # pixels²
CELLS = 12  # a side of the maps of label statistics


def analyse(result: Result) -> dict[str, Any]:
    """Everything that `report.html` shows about an evaluation, as plain data for JSON.

    Precision, recall and F1 are COCO's matches at an IoU of 0.5, averaged over the classes that
    have objects; `confidence` is where their F1 is highest. −1 stands for a number that nothing
    was there to measure.

    Returns:
        images, objects, detections, cut; metrics, the 12 COCO numbers; confidence; per_class, in
        the order of the classes; sizes; curves; confusion: cells (true class, predicted class,
        count) with the number of classes for background; errors by kind [tide]; darknet, see
        `darknet_map`; labels; per_image: [TP, FP, FN] at `confidence`, by index.
    """
    evaluation = coco_evaluation(result.truth, result.found)
    status = Status(evaluation, result)
    curves = _confidence_curves(status)
    best = int(np.argmax(curves["F1"]))
    confidence = float(CONFIDENCES[best])
    # Hotcoco has the classes in the order of their ids.
    ids = evaluation.params.cat_ids
    places = [ids.index(category["id"]) for category in result.truth["categories"]]
    return {
        "images": len(result.source),
        "objects": int(status.counts.sum()),
        "detections": len(result.found),
        "cut": result.cut,
        "metrics": numbers_of(evaluation),
        "confidence": confidence,
        "per_class": _per_class(evaluation, status, places, best),
        "sizes": _sizes(evaluation, result.truth),
        "curves": {**_precision_curves(evaluation, places), **curves},
        "confusion": _confusion(evaluation, places, confidence),
        "errors": _errors(evaluation),
        "darknet": darknet_map(
            result.truth, darknet_order(result.found[result.found.array[:, 5] > SCORE])
        ),
        "labels": label_statistics(result.truth, result.source),
        "per_image": status.per_image(confidence).tolist(),
    }


class Status:
    """Which detections are right at an IoU of 0.5, by class and score.

    Attributes:
        right: bool (n,), of each detection that counts: those in a crowd do not.
        labels: int (n,), class index of each.
        scores: float (n,).
        images: int (n,), index of the image of each.
        counts: int (classes,), objects that count.
        truths: int (images,), the same by image.
    """

    def __init__(self, evaluation: hotcoco.COCOeval, result: Result):
        status = evaluation.image_diagnostics(iou_thr=0.5)["dt_status"]
        index = {category["id"]: n for n, category in enumerate(result.truth["categories"])}
        numbers = np.array(sorted(status), int)
        images, *_, self.scores, categories = result.found.array[numbers - 1].T
        self.right = np.array([status[number] == "tp" for number in numbers.tolist()], bool)
        self.labels = np.array([index[category] for category in categories.tolist()], int)
        self.images = images.astype(int)
        objects = [a for a in result.truth["annotations"] if not a["iscrowd"]]
        self.counts = np.bincount(
            np.array([index[a["category_id"]] for a in objects], int), minlength=len(index)
        )
        self.truths = np.bincount(
            np.array([a["image_id"] for a in objects], int), minlength=len(result.source)
        )

    def per_image(self, confidence: float) -> np.ndarray:
        """TP, FP and FN of each image, int (images, 3), of detections that score more."""
        shown = self.scores > confidence
        right, wrong = (
            np.bincount(self.images[shown & kind], minlength=len(self.truths))
            for kind in (self.right, ~self.right)
        )
        return np.stack([right, wrong, self.truths - right], axis=1)

    def at_confidences(self, label: int) -> tuple[np.ndarray, np.ndarray]:
        """How many detections of a class are right, and how many wrong, above `CONFIDENCES`."""
        mine = self.labels == label
        right, wrong = (self.scores[mine & kind] for kind in (self.right, ~self.right))
        return _above(right), _above(wrong)

    def rates(self, label: int) -> np.ndarray:
        """Precision, recall and F1 of a class with objects above `CONFIDENCES`, (3, 99)."""
        right, wrong = self.at_confidences(label)
        precision = right / np.maximum(1, right + wrong)
        recall = right / self.counts[label]
        return np.stack([precision, recall, 2 * right / (right + wrong + self.counts[label])])


def _above(scores: np.ndarray) -> np.ndarray:
    return len(scores) - np.searchsorted(np.sort(scores), CONFIDENCES, side="right")


def _confidence_curves(status: Status) -> dict[str, list[float]]:
    rates = [status.rates(label) for label, count in enumerate(status.counts) if count]
    means = np.mean(rates, axis=0) if rates else np.zeros((3, len(CONFIDENCES)))
    curves = dict(zip(("P", "R", "F1"), means, strict=True))
    return {"confidence": CONFIDENCES.tolist(), **{key: _round(v) for key, v in curves.items()}}


def _precision_curves(evaluation: hotcoco.COCOeval, places: Sequence[int]) -> dict[str, Any]:
    """Precision over recall, mean over classes, at two IoUs and on average; at 0.5 by class."""
    precision = _arrays(evaluation)[0][..., 0, -1]  # IoU, recall, class
    measured = precision[:, :, (precision > -1).any(axis=(0, 1))]
    mean = measured.mean(axis=2) if measured.size else np.zeros(precision.shape[:2])
    by_iou = {"0.50": mean[0], "0.75": mean[5], "0.50:0.95": mean.mean(axis=0)}
    return {
        "recall": _round(np.linspace(0, 1, 101)),
        "precision": {key: _round(values) for key, values in by_iou.items()},
        "precision_by_class": [_round(precision[0, :, place]) for place in places],
    }


def _per_class(
    evaluation: hotcoco.COCOeval, status: Status, places: Sequence[int], best: int
) -> list[dict[str, Any]]:
    precision, recall = _arrays(evaluation)
    ids, rows = evaluation.params.cat_ids, []
    for label, place in enumerate(places):
        rates = status.rates(label)[:, best] if status.counts[label] else np.full(3, -1.0)
        rows.append(
            {
                "name": evaluation.coco_gt.load_cats([ids[place]])[0]["name"],
                "objects": int(status.counts[label]),
                "AP": _mean(precision[:, :, place, 0, -1]),
                "AP50": _mean(precision[0, :, place, 0, -1]),
                "AP75": _mean(precision[5, :, place, 0, -1]),
                "AR100": _mean(recall[:, place, 0, -1]),
                **dict(zip(("P", "R", "F1"), _round(rates), strict=True)),
            }
        )
    return rows


def _sizes(evaluation: hotcoco.COCOeval, truth: Mapping[str, Any]) -> list[dict[str, Any]]:
    precision, recall = _arrays(evaluation)
    areas = [a["area"] for a in truth["annotations"] if not a["iscrowd"]]
    counts = np.histogram(areas, LIMITS)[0]
    return [
        {
            "name": name,
            "objects": int(counts[n]),
            "AP": _mean(precision[..., n + 1, -1]),
            "AP50": _mean(precision[0, ..., n + 1, -1]),
            "AR100": _mean(recall[..., n + 1, -1]),
        }
        for n, name in enumerate(SIZES)
    ]


def _confusion(
    evaluation: hotcoco.COCOeval, places: Sequence[int], confidence: float
) -> dict[str, Any]:
    matrix = evaluation.confusion_matrix(iou_thr=0.5, min_score=confidence)["matrix"]
    kinds = [*places, len(places)]  # the last is the background
    matrix = matrix[np.ix_(kinds, kinds)]
    rows, columns = np.nonzero(matrix)
    cells = np.stack([rows, columns, matrix[rows, columns].astype(int)], axis=1)
    return {"confidence": confidence, "iou": 0.5, "cells": cells.tolist()}


def _errors(evaluation: hotcoco.COCOeval) -> dict[str, Any]:
    found = evaluation.tide_errors()
    return {
        kind: {"count": int(count), "AP50_lost": round(float(found["delta_ap"][kind]), 4)}
        for kind, count in found["counts"].items()
    }


def label_statistics(truth: Mapping[str, Any], source: Source) -> dict[str, Any]:
    """Where the objects of a data set are, how large, and how many an image has.

    Returns:
        centres and sides: 12×12 counts, rows from the top of the image and from low boxes to high
        ones, relative to the image; per_image: how many images have 0, 1, 2, … objects.
    """
    sizes = np.array([source.size(index)[::-1] for index in range(len(source))], float)
    objects = [a for a in truth["annotations"] if not a["iscrowd"]]
    image = np.array([a["image_id"] for a in objects], int)
    boxes = np.array([a["bbox"] for a in objects], float).reshape(-1, 4)
    sides = boxes[:, 2:] / sizes[image]
    centres = (boxes[:, :2] + boxes[:, 2:] / 2) / sizes[image]
    per_image = np.bincount(np.bincount(image, minlength=len(source)))
    return {
        "centres": _map(centres),
        "sides": _map(sides),
        "per_image": per_image.tolist(),
    }


def _map(xy: np.ndarray) -> list[list[int]]:
    counts = np.histogram2d(xy[:, 1], xy[:, 0], bins=CELLS, range=[[0, 1], [0, 1]])[0]
    return counts.astype(int).tolist()


def _arrays(evaluation: hotcoco.COCOeval) -> tuple[np.ndarray, np.ndarray]:
    """Precision (IoU, recall, class, size, cap) and recall (IoU, class, size, cap)."""
    found: Any = evaluation.eval
    return found["precision"], found["recall"]


def _mean(values: np.ndarray) -> float:
    measured = values[values > -1]
    return round(float(measured.mean()), 6) if measured.size else -1.0


def _round(values: Sequence[float] | np.ndarray) -> list[float]:
    return np.round(np.asarray(values, float), 4).tolist()
