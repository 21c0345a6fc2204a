"""Detections drawn on pictures."""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import supervision as sv

from zoo.data.sample import Source
from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo.detector import Detector

#: Up to so many labels of a picture are moved apart: it takes 30 ms then, of 300 a second.
SPREAD = 60
#: Pixels of DejaVu Sans whose capitals are as high as those of OpenCV's font at scale 1.
FONT_SIZE = 30


def draw(image: np.ndarray, detections: sv.Detections) -> np.ndarray:
    """A copy of an RGB uint8 image with boxes, class names and scores."""
    height, width = image.shape[:2]
    shown = copy.copy(detections)
    shown.xyxy = sv.clip_boxes(detections.xyxy, (width, height))
    labels = [f"{name} {score:.2f}" for name, score in named_scores(detections)]
    return labelled(
        image, shown, labels,
        thickness=max(1, round(min(height, width) / 300)),
        text_scale=max(0.3, min(height, width) / 1000),
    )  # fmt: skip


def labelled(
    image: np.ndarray,
    boxes: sv.Detections,
    labels: list[str],
    *,
    thickness: int,
    text_scale: float,
) -> np.ndarray:
    """A copy of an RGB uint8 image with boxes and their labels, which make room for one another.

    Args:
        image: the picture.
        boxes: xyxy in its pixels, with classes, which the colours tell.
        labels: one of each box.
        thickness: of lines, pixels.
        text_scale: of OpenCV's font; labels that it lacks letters of are of its height.
    """
    scene = np.ascontiguousarray(image[..., ::-1])
    scene = sv.BoxAnnotator(thickness=thickness).annotate(scene, boxes)
    keys: dict[str, Any] = {
        "text_color": _legible(), "text_padding": 2, "smart_position": len(labels) <= SPREAD,
    }  # fmt: skip
    annotator: sv.LabelAnnotator | sv.RichLabelAnnotator
    if "".join(labels).isascii():
        annotator = sv.LabelAnnotator(text_scale=text_scale, **keys)
    else:  # OpenCV's font has question marks for other letters
        from matplotlib import get_data_path

        font = Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
        size = round(text_scale * FONT_SIZE)
        annotator = sv.RichLabelAnnotator(font_path=str(font), font_size=size, **keys)
    return annotator.annotate(scene, boxes, labels)[..., ::-1]


@functools.cache
def _legible() -> sv.ColorPalette:
    """Black or white on each colour of a class."""
    colours = sv.ColorPalette.DEFAULT.colors
    return sv.ColorPalette([sv.Color.BLACK if _light(c) else sv.Color.WHITE for c in colours])


def _light(colour: sv.Color) -> bool:
    return 0.299 * colour.r + 0.587 * colour.g + 0.114 * colour.b > 140  # luma, ITU-R BT.601


def named_scores(detections: sv.Detections) -> list[tuple[str, float]]:
    """Class name and score of each detection."""
    names = np.asarray(detections.data.get("class_name", [])).tolist()
    return list(zip(names, np.asarray(detections.confidence).tolist(), strict=True))


def write_picture(path: Path, image: np.ndarray) -> None:
    """Write an RGB uint8 image, in the format of the suffix.

    Raises:
        ZooError: the file cannot be written.
    """
    # Not by `cv2.imwrite`: it ends the process where a name is no UTF-8.
    done, data = cv2.imencode(path.suffix, np.ascontiguousarray(image[..., ::-1]))
    if not done:
        raise ZooError(f"cannot write {path}: no {path.suffix} can be {image.shape[:2]} pixels")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise ZooError(f"cannot write {path}: {error.strerror or error}") from error


def fitted(size: Sequence[int], side: int) -> tuple[int, int]:
    """Height and width of a picture whose longer side becomes `side`, pixels, one at least."""
    scale = side / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def save_examples(
    detector: Detector, source: Source, path: Path, *, count: int = 9, side: int = 384
) -> None:
    """A contact sheet of detections on the first images of a source.

    Args:
        detector: the model.
        source: where the images are from.
        path: PNG file to write.
        count: pictures on the sheet, three a row.
        side: of each picture on the sheet, pixels.
    """
    cells = []
    for index in range(min(count, len(source))):
        image = source.image(index)
        height, width = fitted(image.shape[:2], side)
        (found,) = detector.detect(image)
        found.xyxy = found.xyxy * (side / max(image.shape[:2]))
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        cells.append(draw(small, found))
    write_picture(path, contact_sheet(cells, columns=3))


def contact_sheet(cells: Sequence[np.ndarray], *, columns: int) -> np.ndarray:
    """Pictures, perhaps of several sizes, in rows on white with a little space between them."""
    height, width = (max(cell.shape[axis] for cell in cells) + 4 for axis in (0, 1))
    rows = -(-len(cells) // columns)
    sheet = np.full((rows * height, min(len(cells), columns) * width, 3), 255, np.uint8)
    for number, cell in enumerate(cells):
        top, left = number // columns * height, number % columns * width
        sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return sheet
