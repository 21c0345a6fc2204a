"""The 12 COCO numbers of boxes."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from typing import Any

import hotcoco

from zoo.data.sample import Source
from zoo.evaluation.found import Found

#: The numbers in COCO's order [cocoapi, COCOeval.summarize].
NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


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


def coco_numbers(truth: Mapping[str, Any], detections: Found) -> dict[str, float]:
    """The 12 numbers of detections against COCO ground truth, by `NAMES`, in [0, 1].

    Equal to pycocotools on the same detections. A number without ground truth to measure it is −1.
    """
    return numbers_of(coco_evaluation(truth, detections))


def coco_evaluation(truth: Mapping[str, Any], detections: Found) -> hotcoco.COCOeval:
    """Hotcoco's evaluation of boxes, done; detection n has id n + 1."""
    with contextlib.redirect_stdout(io.StringIO()):
        reference = hotcoco.COCO(dict(truth))
        evaluation = hotcoco.COCOeval(reference, reference.load_res(detections.array), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def numbers_of(evaluation: hotcoco.COCOeval) -> dict[str, float]:
    """The 12 numbers of an evaluation that is done."""
    return dict(zip(NAMES, map(float, evaluation.stats), strict=True))
