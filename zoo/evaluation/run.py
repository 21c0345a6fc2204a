"""A detector over a whole data source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.progress import track

from zoo.data.loader import evaluation_batches
from zoo.data.sample import Source
from zoo.detector import Detector
from zoo.errors import ZooError, nearest
from zoo.evaluation.coco import CocoMetric
from zoo.inference import to_detections


@dataclass
class Result:
    """Scores, and the detections they come from in COCO's results format."""

    metrics: dict[str, float]
    detections: list[dict[str, Any]]


def evaluate(
    detector: Detector,
    source: Source,
    *,
    batch_size: int = 8,
    resize: str | None = None,
    interpolation: str = "linear",
    image_size: Sequence[int] | None = None,
    progress: bool = False,
    **nms: Any,
) -> Result:
    """COCO numbers of a detector on all images of a source.

    Args:
        detector: the model; its class names must be among the source's, in any order.
        source: images and ground truth.
        batch_size: images in one forward pass.
        resize: `"stretch"` or `"letterbox"`; by default the model's.
        interpolation: `"linear"` or `"darknet"`.
        image_size: (height, width) of the network input; by default the model's.
        progress: show a bar.
        **nms: keys of the NMS that override the model's, e.g. `score_threshold=0.001`.

    Raises:
        ZooError: a class of the source that the detector does not know.
    """
    to_source = class_map(detector.class_names, source.class_names)
    predictor = detector.predictor(**{k: v for k, v in nms.items() if v is not None})
    size = detector.check_size(image_size or detector.image_size)
    metric = CocoMetric(source)
    batches = evaluation_batches(
        source,
        size=size,
        mode=resize or detector.resize,
        interpolation=interpolation,
        batch_size=batch_size,
    )
    total = -(-len(source) // batch_size)
    for images, indices, geometries in track(
        batches, "evaluating", total=total, disable=not progress, transient=True
    ):
        outputs = predictor.predict_on_batch(_full(images, batch_size))
        for row, (index, geometry) in enumerate(zip(indices, geometries, strict=True)):
            found = to_detections(outputs, row, size, geometry, detector.class_names)
            labels = to_source[np.asarray(found.class_id)]
            known = labels >= 0
            height, width = geometry.original
            xyxy = np.clip(found.xyxy, 0, [width, height, width, height])
            scores = np.asarray(found.confidence)
            metric.update_state(int(index), xyxy[known], scores[known], labels[known])
    return Result(metric.result(), with_original_ids(metric.detections, source))


def _full(images: np.ndarray, batch_size: int) -> np.ndarray:
    """The last batch filled up with black images, so that one graph serves all batches."""
    missing = batch_size - len(images)
    return np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else images


def class_map(detector_names: Sequence[str], source_names: Sequence[str]) -> np.ndarray:
    """For each class of a detector its index in the source, −1 where the source lacks it.

    Raises:
        ZooError: the source has a class that the detector cannot give.
    """
    for name in source_names:
        if name not in detector_names:
            raise ZooError(
                f"the data has class {name!r}, which the detector does not know; "
                f"{nearest(name, detector_names)}"
            )
    index = {name: number for number, name in enumerate(source_names)}
    return np.array([index.get(name, -1) for name in detector_names])


def with_original_ids(
    detections: Sequence[Mapping[str, Any]], source: Source
) -> list[dict[str, Any]]:
    """Detections whose image_id is the source's own id instead of its index."""
    return [{**found, "image_id": source.id(found["image_id"])} for found in detections]
