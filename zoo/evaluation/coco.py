"""The 12 COCO numbers of boxes."""

from __future__ import annotations

import contextlib
import io
import types
from collections.abc import Mapping, Sequence
from typing import Any

import hotcoco
import keras
import numpy as np

from zoo.data.sample import Source
from zoo.evaluation.found import Found

#: The numbers in COCO's order [cocoapi, COCOeval.summarize].
NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


class CocoMetric(keras.metrics.Metric):
    """COCO average precision and recall as a Keras metric that gathers detections on the host.

    Equal to pycocotools on the same detections. A number without ground truth to measure it is −1.

    Args:
        source: images and ground truth; images are known by their index in it.
    """

    def __init__(self, source: Source, name: str = "coco"):
        super().__init__(name=name)
        self.source = source
        # Keras wraps lists and dictionaries that are attributes, and every one that is added to
        # them, which takes 18 µs a detection. It leaves alone what lies in an object.
        self._kept = types.SimpleNamespace(truth=ground_truth(source), found=Found())
        self._category_ids = np.asarray(source.category_ids)

    @property
    def truth(self) -> dict[str, Any]:
        """The ground truth in COCO's format, image ids being indices."""
        return self._kept.truth

    @property
    def detections(self) -> Found:
        """All detections so far in COCO's results format, image ids being indices."""
        return self._kept.found

    def update_state(
        self, image: int, xyxy: np.ndarray, scores: np.ndarray, classes: np.ndarray
    ) -> None:
        """Add the detections of one image.

        Args:
            image: its index in the source.
            xyxy: float (n, 4), pixels of the original.
            scores: float (n,).
            classes: int (n,), indices of the source's classes.
        """
        corner, far = xyxy[:, :2], xyxy[:, 2:]
        boxes = np.concatenate([corner, far - corner], axis=1)
        self._kept.found.add(image, boxes, scores, self._category_ids[np.asarray(classes, int)])

    def result(self) -> dict[str, float]:
        """The 12 numbers, in [0, 1] or −1, by COCO's names."""
        return coco_numbers(self.truth, self.detections)

    def reset_state(self) -> None:
        """Forget all detections."""
        self._kept.found = Found()


def ground_truth(source: Source) -> dict[str, Any]:
    """A source in COCO's format, image ids being indices."""
    annotations: list[dict[str, Any]] = []
    for image in range(len(source)):
        labels = source.labels(image)
        for box, label, crowd, area in zip(
            labels.boxes.tolist(), labels.classes, labels.crowd, labels.area, strict=True
        ):
            left, top, right, bottom = box
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": source.category_ids[int(label)],
                    "bbox": [left, top, right - left, bottom - top],
                    "area": float(area),
                    "iscrowd": int(crowd),
                }
            )
    categories = zip(source.category_ids, source.class_names, strict=True)
    return {
        "info": {},
        "licenses": [],
        "images": [{"id": image} for image in range(len(source))],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in categories],
    }


def coco_numbers(
    truth: Mapping[str, Any], detections: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """The 12 numbers of detections in COCO's results format against COCO ground truth."""
    return numbers_of(coco_evaluation(truth, detections))


def coco_evaluation(
    truth: Mapping[str, Any], detections: Sequence[Mapping[str, Any]]
) -> hotcoco.COCOeval:
    """Hotcoco's evaluation of boxes, done; detection n has id n + 1."""
    rows = detections.array if isinstance(detections, Found) else [dict(d) for d in detections]
    with contextlib.redirect_stdout(io.StringIO()):
        reference = hotcoco.COCO(dict(truth))
        evaluation = hotcoco.COCOeval(reference, reference.load_res(rows), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def numbers_of(evaluation: hotcoco.COCOeval) -> dict[str, float]:
    """The 12 numbers of an evaluation that is done."""
    return dict(zip(NAMES, map(float, evaluation.stats), strict=True))
