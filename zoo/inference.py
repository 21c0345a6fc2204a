"""Pictures → detections in the pixels of the original."""

from __future__ import annotations

import glob
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from zoo.data.geometry import Geometry, check_resize, resize
from zoo.data.image import SUFFIXES, read_for
from zoo.detections import detections
from zoo.errors import ZooError
from zoo.ranges import SHARE, check_number, check_whole
from zoo.signature import check_keywords
from zoo.video import Video, is_video

if TYPE_CHECKING:
    import supervision as sv

Item = TypeVar("Item")
Result = TypeVar("Result")
#: Name and file, or RGB uint8 array.
Picture = tuple[str, Path | np.ndarray]
#: Batches that are read and resized while the model runs.
AHEAD = 2


def detect(
    detector: Any,
    source: Any,
    *,
    score_threshold: float | None = None,
    iou_threshold: float | None = None,
    resize: str | None = None,
    interpolation: str = "linear",
    image_size: Any = None,
    batch_size: int | None = None,
    read_ahead: bool = True,
    unreadable: Callable[[ZooError], Any] | None = None,
) -> Iterator[tuple[str, sv.Detections]]:
    """Find objects in pictures, in order; the next ones are read while the model runs.

    Args:
        detector: a `zoo.detector.Detector`, or a `zoo.exported.ExportedDetector`.
        source: a file, a folder, a glob pattern, an RGB uint8 array, or a list of these; what
            `zoo.video.is_video` knows, all frames of it; or an iterator of RGB uint8 arrays.
        score_threshold: detections score more than this, in [0, 1]; by default the model's,
            0.25 in ours.
        iou_threshold: overlap that suppresses, in [0, 1]; by default the model's.
        resize: `"stretch"` or `"letterbox"`; by default the model's.
        interpolation: `"linear"` (OpenCV) or `"darknet"` (corner-aligned, for exact parity).
        image_size: side or (height, width) of the network input; by default the model's.
        batch_size: pictures in one forward pass, at least 1; by default 1, or an exported model's.
        read_ahead: whether pictures are read while the model runs. Those of an iterator over a
            camera would be old when their turn comes; of a `zoo.video.Video` that is known.
        unreadable: called, by the thread that reads, with the error of a picture that cannot be
            read, which is then left out; by default the error is raised.

    Yields:
        The picture's name, of a frame its number, and its detections: xyxy in pixels of the
        original, not clipped to it.

    Raises:
        ZooError: there is no such picture, it cannot be read, or an option is out of its range.
    """
    thresholds = {"score_threshold": score_threshold, "iou_threshold": iou_threshold}
    limits = {key: value for key, value in thresholds.items() if value is not None}
    for key, value in limits.items():
        check_number(key, value, SHARE)
    fixed = getattr(detector, "batch_size", None)  # an exported model's, which fills batches itself
    batch_size = batch_size if batch_size is not None else fixed or 1
    check_whole("batch_size", batch_size, least=1)
    predictor = detector.predictor(windowed=True, **limits)
    size = detector.check_size(image_size) if image_size is not None else detector.image_size
    mode = resize or detector.resize
    check_resize(mode, interpolation)
    if is_video(source):
        source = Video(source)
    if isinstance(source, Video):
        read_ahead = read_ahead and not source.live
        source = (frame.image for frame in source)
    found = frames(source) if isinstance(source, Iterator) else pictures(source)

    def prepare(chunk: list[Picture]) -> list[tuple[str, np.ndarray, Geometry]]:
        inputs = []
        for name, picture in chunk:
            try:
                inputs.append((name, *prepared(picture, size, mode, interpolation)))
            except ZooError as error:
                if unreadable is None:
                    raise
                unreadable(error)
        return inputs

    alone = isinstance(found, list) and len(found) <= batch_size
    rows = batch_size if fixed is None and not alone else 1
    chunks = batched(found, batch_size)
    for inputs in ahead(prepare, chunks) if read_ahead else map(prepare, chunks):
        if not inputs:  # none could be read
            continue
        names, images, placed = zip(*inputs, strict=True)
        # Of one picture a view: a copy takes half a millisecond.
        batch = np.stack(images) if len(images) > 1 else images[0][None]
        windows = np.stack([geometry.window(size) for geometry in placed])
        outputs = predictor.predict_on_batch([filled(batch, rows), filled(windows, rows)])
        for index, (name, geometry) in enumerate(zip(names, placed, strict=True)):
            yield name, to_detections(outputs, index, geometry.original, detector.class_names)


def detect_all(detector: Any, source: Any, options: dict[str, Any]) -> Any:
    """The detections of `detect`, a list.

    Raises:
        ZooError: as `detect`; an option is unknown, or the source has no end.
    """
    check_keywords("detect", detect, options)
    if is_video(source):
        source = Video(source)
        if source.live:
            raise ZooError(
                f"{source.name} has no end; zoo.inference.detect(detector, source) gives what is "
                "found as it comes"
            )
    return [found for _, found in detect(detector, source, **options)]


def filled(batch: np.ndarray, rows: int) -> np.ndarray:
    """A batch, the last one, filled up with its last row, so that one graph serves all batches."""
    if len(batch) >= rows:
        return batch
    return np.concatenate([batch, np.repeat(batch[-1:], rows - len(batch), axis=0)])


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Items in lists of `size`, of which the last may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`map(function, items)`, in order, a few items ahead of who asks, in a thread.

    What `function` raises is raised where its result would have come.
    """
    iterator = iter(items)
    first = list(islice(iterator, 2))
    if len(first) < 2:  # nothing to overlap
        yield from map(function, first)
        return
    pool = ThreadPoolExecutor(1, "zoo-read-ahead")
    # The items are taken in the thread, too: those of a video are decoded when they are asked for.
    results = map(function, chain(first, iterator))
    waiting: deque[Future[Any]] = deque()
    over = object()
    try:
        waiting.extend(pool.submit(next, results, over) for _ in range(AHEAD + 1))
        while (result := waiting.popleft().result()) is not over:
            yield result
            waiting.append(pool.submit(next, results, over))
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

    Raises:
        ZooError: the file cannot be read, or an unknown mode or interpolation.
    """
    if isinstance(picture, np.ndarray):
        return resize(picture, size, mode=mode, interpolation=interpolation)
    image, original = read_for(picture, size if interpolation == "linear" else None)
    return resize(image, size, mode=mode, interpolation=interpolation, original=original)


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


def frames(images: Iterator[np.ndarray]) -> Iterator[Picture]:
    """Arrays as `pictures`, named by their number, from 0 on.

    Raises:
        ZooError: one is not RGB uint8.
    """
    for number, image in enumerate(images):
        ((_, picture),) = pictures(image)
        yield f"frame {number}", picture


def _remedy(array: np.ndarray) -> str:
    """What makes an RGB uint8 picture of an array, where that is known, as the tail of an error."""
    if 0 in array.shape:
        return ""
    if array.dtype.kind == "f":
        return "; of floats in [0, 1] (255 * image).round().astype('uint8')"
    if array.ndim == 4:
        return "; of a batch give list(images)"
    if array.ndim == 2 or array.shape[-1:] == (1,):
        return "; of gray np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)"
    return "; of RGBA image[..., :3]" if array.shape[-1:] == (4,) else ""


def pictures(source: Any) -> list[Picture]:
    """The pictures that `source` names, sorted within a folder or a pattern, each with a name.

    Raises:
        ZooError: nothing is there, a folder cannot be read, or an array is not RGB uint8.
    """
    if isinstance(source, np.ndarray):
        shape = source.shape
        if source.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise ZooError(
                f"an image array is uint8 (height, width, 3), not {source.dtype} {shape}"
                f"{_remedy(source)}"
            )
        return [("array", source)]
    if isinstance(source, list | tuple):
        return [picture for item in source for picture in pictures(item)]
    if not isinstance(source, str | os.PathLike):
        raise ZooError(
            f"source is a {type(source).__name__}; give a file, a folder, a glob pattern, an RGB "
            "uint8 array, as np.asarray(image), a list or an iterator of these, or a video"
        )
    path = Path(source)
    try:
        if path.is_dir():
            named = (file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
            files = sorted(file for file in named if not file.is_dir())
        elif path.is_file():
            files = [path]
        else:
            files = [Path(name) for name in sorted(glob.glob(str(source), recursive=True))]
    except OSError as error:
        raise ZooError(f"source {str(source)!r}: {error.strerror or error}") from error
    if not files:
        raise ZooError(f"source {str(source)!r}: no picture there ({', '.join(SUFFIXES)})")
    if film := next(filter(is_video, files), None):
        raise ZooError(f"{film} is a video; give it alone, as source")
    return [(str(file), file) for file in files]
