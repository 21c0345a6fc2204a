"""Pictures → detections in the pixels of the original."""

from __future__ import annotations

import functools
import glob
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from zoo.data import geometry as geometries
from zoo.data.geometry import Geometry
from zoo.data.image import SUFFIXES, read_for
from zoo.detections import detections
from zoo.errors import ZooError

if TYPE_CHECKING:
    import supervision as sv

    from zoo.detector import Detector
    from zoo.exported import ExportedDetector

Item = TypeVar("Item")
Result = TypeVar("Result")
#: Batches that are read and resized while the model runs.
AHEAD = 2


def detect(
    detector: Detector | ExportedDetector,
    source: Any,
    *,
    score_threshold: float | None = None,
    iou_threshold: float | None = None,
    resize: str | None = None,
    interpolation: str = "linear",
    image_size: Any = None,
    batch_size: int | None = None,
) -> Iterator[tuple[str, sv.Detections]]:
    """Find objects in pictures, in order; the next ones are read while the model runs.

    Args:
        detector: the model.
        source: a file, a folder, a glob pattern, an RGB uint8 array, or a list of these.
        score_threshold: detections score more than this, in [0, 1]; by default 0.25, or what an
            exported model has inside.
        iou_threshold: overlap that suppresses; by default the model's.
        resize: `"stretch"` or `"letterbox"`; by default the model's.
        interpolation: `"linear"` (OpenCV) or `"darknet"` (corner-aligned, for exact parity).
        image_size: side or (height, width) of the network input; by default the model's.
        batch_size: pictures in one forward pass; by default 1, or an exported model's.

    Yields:
        The picture's name and its detections: xyxy in pixels of the original, not clipped to it.
    """
    if score_threshold is None:
        score_threshold = getattr(detector, "score_threshold", 0.25)
    limits: dict[str, Any] = {"score_threshold": score_threshold}
    if iou_threshold is not None:
        limits["iou_threshold"] = iou_threshold
    predictor = detector.predictor(windowed=True, **limits)
    size = detector.check_size(image_size) if image_size is not None else detector.image_size
    mode, step = resize or detector.resize, batch_size or int(getattr(detector, "batch_size", 1))
    found = pictures(source)
    chunks = [found[start : start + step] for start in range(0, len(found), step)]

    def prepare(chunk: list[tuple[str, Path | np.ndarray]]) -> list[tuple[np.ndarray, Geometry]]:
        return [prepared(picture, size, mode, interpolation) for _, picture in chunk]

    for chunk, inputs in zip(chunks, ahead(prepare, chunks), strict=True):
        # Of one picture a view: a copy takes half a millisecond.
        images = [image for image, _ in inputs]
        batch = np.stack(images) if len(images) > 1 else images[0][None]
        windows = np.stack([geometry.window(size) for _, geometry in inputs])
        outputs = predictor.predict_on_batch([batch, windows])
        for index, (name, _) in enumerate(chunk):
            original = inputs[index][1].original
            yield name, to_detections(outputs, index, original, detector.class_names)


def ahead(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """`map(function, items)`, in order, a few items ahead of who asks, in a thread.

    What `function` raises is raised where its result would have come.
    """
    if len(items) < 2:  # nothing to overlap
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(1, "zoo-read-ahead")
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def prepared(
    picture: Path | np.ndarray, size: tuple[int, int], mode: str, interpolation: str = "linear"
) -> tuple[np.ndarray, Geometry]:
    """A picture of `pictures` as the network takes it, and the geometry of its boxes.

    Args:
        picture: a file, or an RGB uint8 array.
        size: height and width of the network input.
        mode: `"stretch"` or `"letterbox"`.
        interpolation: as in `detect`.
    """
    resize = functools.partial(geometries.resize, mode=mode, interpolation=interpolation)
    if isinstance(picture, np.ndarray):
        return resize(picture, size)
    image, original = read_for(picture, size if interpolation == "linear" else None)
    return resize(image, size, original=original)


def to_detections(
    outputs: dict[str, Any], index: int, original: tuple[int, int], class_names: Sequence[str]
) -> sv.Detections:
    """One image's rows of a windowed predictor's output, in pixels of the original.

    Args:
        outputs: boxes (batch, k, 4) xyxy relative to the image, scores, classes, count.
        index: which image of the batch.
        original: height and width of the image, pixels.
        class_names: names by class index.
    """
    count = int(outputs["count"][index])
    height, width = original
    boxes = np.asarray(outputs["boxes"][index][:count], "float32")
    classes = np.asarray(outputs["classes"][index][:count], int)
    return detections(
        xyxy=boxes * np.array([width, height, width, height], "float32"),
        confidence=np.asarray(outputs["scores"][index][:count], "float32"),
        class_id=classes,
        class_name=np.array([class_names[label] for label in classes], dtype=str),
    )


def pictures(source: Any) -> list[tuple[str, Path | np.ndarray]]:
    """The pictures that `source` names, sorted within a folder or a pattern, each with a name.

    Raises:
        ZooError: nothing is there, or an array is not RGB uint8.
    """
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3:
            raise ZooError(
                f"an image array is uint8 (height, width, 3), not {source.dtype} {source.shape}"
            )
        return [("array", source)]
    if isinstance(source, list | tuple):
        return [picture for item in source for picture in pictures(item)]
    path = Path(source)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
    elif path.is_file():
        files = [path]
    else:
        files = [Path(name) for name in sorted(glob.glob(str(source), recursive=True))]
    if not files:
        raise ZooError(f"source {str(source)!r}: no picture there ({', '.join(SUFFIXES)})")
    return [(str(file), file) for file in files]
