"""A detector → a file of some format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zoo
from zoo.data.geometry import GREY, MODES
from zoo.deployment.calibration import Calibration, checked
from zoo.deployment.fold import fold
from zoo.deployment.graph import check_backend, trace
from zoo.detector import Detector
from zoo.errors import ZooError, nearest
from zoo.files import exporting_into
from zoo.format.contract import check_precision
from zoo.ranges import check_whole
from zoo.registry import FORMATS, NMS

#: How an image comes to the size of the input, in a few words.
PLACED = {
    "letterbox": "the image enlarged or reduced (linear, half-pixel centres) to fit, its sides "
    f"rounded down, in the middle of grey of {GREY}, margins above and on the left rounded down",
    "stretch": "the image stretched (linear, half-pixel centres) to fill it",
}


def export(
    detector: Detector,
    path: Path,
    *,
    format: str,
    image_size: Any = None,
    batch_size: int = 1,
    resize: str | None = None,
    precision: str = "float32",
    suppress: bool = True,
    calibration: Mapping[str, Any] | None = None,
    preset: str | None = None,
    **limits: Any,
) -> Path:
    """Write a detector with its decoding and its NMS inside, batch normalisation folded.

    Args:
        detector: the model.
        path: of the file; the format's suffix is added where it is missing.
        format: `litert`, `onnx`, `openvino` or `saved_model`, or a third party's.
        image_size: side or (height, width) of the input; by default the model's.
        batch_size: images in a call; all shapes of the file are fixed.
        resize: how images will be brought to that size; by default the model's. `"letterbox"` gives
            the file a second input, `window`.
        precision: `float32`, or what the format has besides.
        suppress: NMS inside; otherwise the file gives boxes and scores of all anchors.
        calibration: of int8: `source`, pictures like those to come, as of `zoo.inference.detect`,
            and `pictures`, how many are taken; see `zoo.deployment.calibration.Calibration`.
        preset: what the detector was loaded from, to be noted in the file.
        **limits: keys of the NMS, as of `Detector.predictor`.

    Returns:
        The path written.

    Raises:
        ZooError: the format, its engine, the precision, the way to resize, a size or a picture
            does not exist, a limit lets nothing through, or the file cannot be written.
    """
    check_precision(format, precision)
    chosen = checked(calibration, precision)
    if resize is not None and resize not in MODES:
        raise ZooError(f"no resize {resize!r}; {nearest(resize, MODES)}")
    check_whole("batch_size", batch_size, least=1)
    if limits and not suppress:
        raise ZooError(f"{', '.join(limits)}: of an NMS, which suppress=false leaves out")
    check_backend()
    if not isinstance(detector, Detector):
        raise ZooError(f"{getattr(detector, 'name', detector)} is no detector of Keras to export")
    part = FORMATS[format]()
    if part.suffix and path.suffix != part.suffix:
        path = path.with_name(path.name + part.suffix)
    size = detector.check_size(image_size) if image_size is not None else detector.image_size
    mode = resize or detector.resize
    nms = detector.nms(**limits) if suppress else None
    inputs = None
    if chosen:
        source, limit = chosen["source"], chosen["pictures"]
        inputs = Calibration(source, limit=limit, size=size, resize=mode, batch_size=batch_size)
    function = trace(
        fold(detector),
        image_size=size,
        batch_size=batch_size,
        windowed=mode == "letterbox",
        nms=nms,
    )
    metadata = describe(detector, size, batch_size, mode, precision, nms, preset, inputs)
    calibrated = {"calibration": inputs} if inputs else {}
    with exporting_into(path) as written:
        part.write(function, written, metadata=metadata, precision=precision, **calibrated)
    return path


def describe(
    detector: Detector,
    size: tuple[int, int],
    batch_size: int,
    resize: str,
    precision: str,
    nms: dict[str, Any] | None,
    preset: str | None,
    inputs: Calibration | None,
) -> dict[str, Any]:
    """What a user of the file must know, in the file: enough to run it without this package."""
    facts = {
        "zoo": zoo.__version__,
        "name": detector.name,
        "class_names": detector.class_names,
        "image_size": list(size),
        "batch_size": batch_size,
        "resize": resize,
        "precision": precision,
        "nms": None if nms is None else NMS.settings(nms),
        "preset": preset,
        **({"calibration": inputs.facts()} if inputs else {}),
        "images": f"float32 (batch, height, width, 3) in [0, 1], RGB: {PLACED[resize]}; one of 4, "
        "8 or 16 times these sides or more is averaged before, over 2, 4 or 8 pixels each way",
        "boxes": "float32 (batch, n, 4): x1, y1, x2, y2 relative to the image; what reaches beyond "
        "it is not cut off at 0 and 1",
    }
    if resize == "letterbox":
        facts["window"] = "float32 (batch, 4): x1, y1, x2, y2 of the image in the input, in [0, 1]"
    if nms is None:
        return facts | {"scores": "float32 (batch, n, classes) in [0, 1]; all anchors, no NMS"}
    return facts | {
        "scores": "float32 (batch, n) in [0, 1], falling; rows from count on are 0, boxes' too",
        "classes": "int32 (batch, n): which of class_names, from 0",
        "count": "int32 (batch): detections, which are the first rows",
        "candidates": "int32 (batch): pairs of box and class above score_threshold, before the NMS",
    }
