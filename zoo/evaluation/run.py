"""A detector over a whole data source."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.progress import track

from zoo.data.geometry import check_resize
from zoo.data.loader import evaluation_batches
from zoo.data.sample import Source
from zoo.detector import Detector
from zoo.errors import ZooError, nearest
from zoo.evaluation.coco import coco_numbers, ground_truth
from zoo.evaluation.found import Found
from zoo.exported import ExportedDetector
from zoo.inference import filled, to_detections
from zoo.registry import NMS


@dataclass(frozen=True)
class Result:
    """Scores, and what they come from.

    Attributes:
        metrics: the 12 COCO numbers.
        source: what was evaluated on.
        truth: its ground truth in COCO's format, image ids being indices.
        found: detections in COCO's results format, image ids being indices.
        cut: images with more candidates than the `max_candidates` best that NMS has looked at,
            and fewer detections than it may return: some may be missing. (Where so many are
            returned, only NMS that lowers scores could have found others.)
    """

    metrics: dict[str, float]
    source: Source
    truth: dict[str, Any]
    found: Found
    cut: int

    @property
    def detections(self) -> list[dict[str, Any]]:
        """Detections in COCO's results format, image ids being the source's own."""
        return [{**row, "image_id": self.source.id(row["image_id"])} for row in self.found]


def evaluate(
    detector: Detector | ExportedDetector,
    source: Source,
    *,
    batch_size: int = 8,
    resize: str | None = None,
    interpolation: str = "linear",
    image_size: Sequence[int] | None = None,
    clip: bool = True,
    isotropic: bool = True,
    progress: bool = False,
    between: Callable[[], None] | None = None,
    **nms: Any,
) -> Result:
    """COCO numbers of a detector on all images of a source.

    Args:
        detector: the model, of Keras or exported; the source's class names must be among its own,
            in any order.
        source: images and ground truth.
        batch_size: images in one forward pass.
        resize: `"stretch"` or `"letterbox"`; by default the model's.
        interpolation: `"linear"` or `"darknet"`.
        image_size: (height, width) of the network input; by default the model's.
        clip: cut boxes off at the edges of the image, as `detector valid` does before COCO's
            numbers; `detector map` does not.
        isotropic: whether NMS that looks at the distance of two boxes measures x and y alike, as
            `detector valid`, or each relative to its side of the image, as `detector map` and
            `detector test` [yolo_layer.c:correct_yolo_boxes, `relative`].
        progress: show a bar.
        between: called after each batch; what it raises ends the evaluation.
        **nms: keys of the NMS that override the model's, e.g. `score_threshold=0.001`.

    Raises:
        ZooError: a model that is no detector, a class of the source that the detector does not
            know, a limit below 1, a threshold that is no share, or settings that differ from those
            inside an exported file.
    """
    if not hasattr(detector, "nms"):  # zoo.verify gives OpenCV's network in a detector's place
        raise ZooError(
            f"{detector.name} is a {type(detector).__name__}, whose images have no boxes to "
            "evaluate; give a detector, or for top-1 a classifier that task=classification trained"
        )
    to_source = class_map(detector.class_names, source.class_names)
    limits = _given(nms)
    settings = NMS.settings(detector.nms(**limits))
    predictor = detector.predictor(windowed=True, **limits)
    size = detector.check_size(image_size or detector.image_size)
    if isinstance(detector, ExportedDetector) and detector.resize == "stretch" and isotropic:
        raise ZooError(
            f"{detector.where} was exported for resize=stretch: the NMS inside measures x and y "
            "each relative to its side; evaluate it with evaluation.isotropic=false, as "
            "evaluation=exported does"
        )
    truth, rows, cut = ground_truth(source), Found(), 0
    categories = np.asarray(source.category_ids)
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
        windows = np.stack([geo.window(size, isotropic=isotropic) for geo in geometries])
        outputs = predictor.predict_on_batch([filled(a, batch_size) for a in (images, windows)])
        cut += _cut(outputs, len(images), settings)
        for row, (index, geometry) in enumerate(zip(indices, geometries, strict=True)):
            sides = (max(geometry.original),) * 2 if isotropic else geometry.original
            found = to_detections(outputs, row, sides, detector.class_names)
            labels = to_source[np.asarray(found.class_id)]
            known = labels >= 0
            edges = [*geometry.original[::-1]] * 2
            xyxy = np.clip(found.xyxy, 0, edges) if clip else found.xyxy
            scores = np.asarray(found.confidence)
            rows.add(int(index), xyxy[known], scores[known], categories[labels[known]])
        if between is not None:
            between()
    return Result(coco_numbers(truth, rows), source, truth, rows, cut)


def check_options(
    detector: Detector,
    /,
    *,
    resize: str | None = None,
    interpolation: str = "linear",
    image_size: Sequence[int] | None = None,
    clip: bool = True,
    isotropic: bool = True,
    **nms: Any,
) -> None:
    """Refuse, before a training, what its first evaluation would refuse; arguments of `evaluate`.

    Raises:
        ZooError: NMS takes no such key, or a value does not fit.
    """
    check_resize(resize or detector.resize, interpolation)
    detector.check_size(image_size or detector.image_size)
    detector.predictor(windowed=True, **_given(nms))


def _given(nms: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in nms.items() if value is not None}


def _cut(outputs: Mapping[str, Any], images: int, nms: Mapping[str, Any]) -> int:
    """Of the first `images`, those in which NMS did not look at candidates that it had room for."""
    candidates, count = (np.asarray(outputs[key])[:images] for key in ("candidates", "count"))
    more = candidates > nms.get("max_candidates", math.inf)
    return int(np.sum(more & (count < nms.get("max_detections", math.inf))))


def class_map(detector_names: Sequence[str], source_names: Sequence[str]) -> np.ndarray:
    """For each class of a detector its index in the source, −1 where the source lacks it.

    Raises:
        ZooError: the source has a class that the detector cannot give.
    """
    for name in source_names:
        if name not in detector_names:
            hint = nearest(name, detector_names)
            if list(detector_names) == [str(number) for number in range(len(detector_names))]:
                hint = (
                    f"its classes are 0 … {len(detector_names) - 1}: it is of a cfg that came "
                    "without class_names=FILE"
                )
            raise ZooError(f"the data has class {name!r}, which the detector does not know; {hint}")
    index = {name: number for number, name in enumerate(source_names)}
    return np.array([index.get(name, -1) for name in detector_names])
