"""From a model and a cfg to a certificate."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.darknet.cfg import read_cfg
from zoo.darknet.plan import plan
from zoo.data.sample import Source
from zoo.detector import Detector
from zoo.errors import ZooError
from zoo.evaluation.run import class_map, evaluate
from zoo.verification.alignment import align
from zoo.verification.architecture import check
from zoo.verification.certificate import Certificate, file_facts
from zoo.verification.detections import above, compare_detections, detections
from zoo.verification.golden import Golden
from zoo.verification.graph import Graph
from zoo.verification.inputs import Input, open_input
from zoo.verification.layers import compare_layers
from zoo.verification.opencv import OpenCV, OpenCVDetector
from zoo.verification.reference import Reference
from zoo.verification.suppression import check_nms


@dataclass
class Verification:
    """A certificate and the picture that it shows: both models' detections on it."""

    certificate: Certificate
    picture: Input
    ours: Any
    theirs: Any


def verify(
    detector: Any,
    cfg: str | os.PathLike[str],
    weights: str | os.PathLike[str],
    *,
    preset: str | None = None,
    source: str | os.PathLike[str] | None = None,
    reference: str | os.PathLike[str] = "opencv",
    image_size: Any = None,
    resize: str | None = None,
    data: Source | None = None,
    evaluation: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> Verification:
    """Compare a model with a reference of the same cfg and weights on the same input.

    Args:
        detector: the model, its weights loaded.
        cfg: Darknet's description of the network.
        weights: the `.weights` file that the model's weights are from.
        preset: what the model is called, for the certificate.
        source: the picture, see `zoo.verification.inputs.open_input`.
        reference: `"opencv"`, or a golden file (`zoo.verification.golden.Golden`).
        image_size: side or (height, width) of the input; by default the golden file's, or the
            model's.
        resize: `"stretch"` or `"letterbox"`; by default the golden file's, or the model's.
        data: labelled images on which both are evaluated too; OpenCV only.
        evaluation: keywords of `zoo.evaluation.run.evaluate`, for both.
        progress: show bars.

    Raises:
        ZooError: the model is another network than the cfg's (the first difference is named), or
            a file cannot be read, or is of another network or input, or the model is no detector,
            or its NMS has settings that Darknet's has not, or the data have a class that the model
            has not.
    """
    if not isinstance(detector, Detector):
        raise ZooError(f"cfg={cfg} is a classifier: zoo.verify compares detectors, with [yolo]")
    golden = None if str(reference) == "opencv" else Golden(reference)
    if golden is not None and data is not None:
        raise ZooError("golden data know one picture: data= needs reference=opencv")
    if data is not None:
        class_map(detector.class_names, data.class_names)  # before minutes of comparing
    size = _size(detector, golden, image_size)
    planned = plan(read_cfg(cfg), size)
    check(detector, planned)
    check_nms(detector.cfg["nms"])
    graph = Graph(detector)
    tensors = align(detector, graph, planned)
    mode = resize or (golden.meta["resize"] if golden else detector.resize)
    sha256 = golden.meta["input_sha256_float32_chw"] if golden else None
    picture = open_input(source, size, detector.class_names, mode=mode, sha256=sha256)
    known: Reference
    if golden is None:
        known = OpenCV(planned, weights, detector.cfg["nms"], picture)
    else:
        golden.attach(planned, detector.cfg["nms"]["name"], picture)
        known = golden
    rows = compare_layers(detector, planned, graph, tensors, known, picture, progress=progress)
    ours, cut = detections(detector, picture, min(known.thresholds))
    found = Certificate(
        model={"name": detector.name, "preset": preset, "parameters": detector.count_params()},
        cfg=file_facts(cfg),
        weights=file_facts(weights),
        reference={"name": known.name, **_file(reference, golden)},
        source={"name": picture.name, "sha256": picture.sha256, "size": size, "resize": mode},
        tolerances=dataclasses.asdict(known.tolerances),
        layers=rows,
        detections=compare_detections(ours, known, picture, cut=cut),
    )
    if isinstance(known, OpenCV) and data is not None:
        found.ap = _ap(detector, known, data, {**(evaluation or {}), "progress": progress})
    shown = max(known.thresholds)
    return Verification(found, picture, above(ours, shown), known.detections(shown))


def _size(detector: Any, golden: Golden | None, image_size: Any) -> tuple[int, int]:
    if golden is None:
        return detector.check_size(image_size or detector.image_size)
    if image_size is not None and detector.check_size(image_size) != golden.size:
        raise ZooError(f"image_size={image_size}: the golden data have {golden.size}")
    return golden.size


def _file(reference: Any, golden: Golden | None) -> dict[str, Any]:
    return {} if golden is None else file_facts(reference)


def _ap(detector: Any, known: OpenCV, data: Source, settings: Mapping[str, Any]) -> dict[str, Any]:
    """COCO numbers of both by the same evaluation."""
    both: Sequence[Any] = (detector, OpenCVDetector(known, detector))
    ours, theirs = (evaluate(model, data, **settings) for model in both)
    return {"images": len(data), "ours": ours.metrics, "reference": theirs.metrics}
