"""What every data set gives: images, their labels, and a fingerprint of both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from zoo.data.image import averaged
from zoo.errors import ZooError

#: Sides of squares, pixels, between which COCO calls an object medium [cocoapi].
MEDIUM = (32, 96)


@dataclass(frozen=True)
class Labels:
    """The ground truth of one image, without pixels.

    Attributes:
        boxes: float32 (n, 4), xyxy in continuous pixels of the original image: the pixel in
            column 0 covers [0, 1].
        classes: int32 (n,), index into the source's `class_names`.
        crowd: bool (n,), COCO's `iscrowd` or VOC's `difficult`: ignored by evaluation, left out
            of training.
        area: float32 (n,), pixels²; COCO's segmentation area where it is known, else the box's.
    """

    boxes: np.ndarray
    classes: np.ndarray
    crowd: np.ndarray
    area: np.ndarray

    @classmethod
    def of(
        cls, boxes: Any, classes: Any, crowd: Any = None, area: Sequence[float | None] | None = None
    ) -> Labels:
        """Labels from anything array-like; without `crowd` none is one, `None` means box area."""
        boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
        sides = (boxes[:, 2:] - boxes[:, :2]).astype(np.float64)
        known = [None] * len(boxes) if area is None else area
        areas = [side.prod() if a is None else a for a, side in zip(known, sides, strict=True)]
        return cls(
            boxes=boxes,
            classes=np.asarray(classes, np.int32).reshape(-1),
            crowd=np.zeros(len(boxes), bool) if crowd is None else np.asarray(crowd, bool),
            area=np.asarray(areas, np.float32),
        )

    def __len__(self) -> int:
        return len(self.boxes)


class Source(Protocol):
    """A data set: a random-access sequence of labelled images. The contract of kind `dataset`.

    A source of files may have two methods besides. `path(index)` names the file of an image, whose
    digest goes into a run's data.json; without it there are those of the labels alone.
    `reduced(index, reduction)` gives the pixels at a 2nd, 4th or 8th of their size, for training on
    pictures far larger than the network input.

    Attributes:
        class_names: one name for each class index.
        category_ids: the COCO category id of each class; 1, 2, … where the format has none.
    """

    class_names: list[str]
    category_ids: list[int]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over classes, image ids, labels, file names and sizes."""

    def __len__(self) -> int: ...

    def id(self, index: int) -> int | str:
        """What the format calls the image: COCO's image id, a file's stem or relative path."""

    def labels(self, index: int) -> Labels:
        """The ground truth; cheap, for no pixel is decoded."""

    def image(self, index: int) -> np.ndarray:
        """The pixels, uint8 (height, width, 3) RGB; raises `ZooError` if they cannot be read."""

    def size(self, index: int) -> tuple[int, int]:
        """Height and width in pixels; cheap."""


def pixels_of(source: Source, index: int, reduction: int = 1) -> np.ndarray:
    """The pixels of an image at a part of their size, from the decoder where the source can.

    Raises:
        ZooError: the source gives something else than uint8, or pixels of another size.
    """
    reduced = getattr(source, "reduced", None)
    if reduced and reduction > 1:
        pixels, sides = reduced(index, reduction), None  # which a decoder rounds as it likes
    else:
        pixels, sides = source.image(index), tuple(source.size(index))
    dtype, shape = getattr(pixels, "dtype", type(pixels).__name__), np.shape(pixels)
    if dtype != np.uint8 or len(shape) != 3 or shape != (*(sides or shape[:2]), 3):
        height, width = sides or ("height", "width")
        raise ZooError(
            f"image {source.id(index)!r} of the data set is {dtype} {shape}, not uint8 "
            f"({height}, {width}, 3) as zoo.data.sample.Source says"
        )
    return pixels if sides is None else averaged(pixels, reduction)


def fingerprint(source: Source, images: Iterable[Any]) -> str:
    """SHA-256 of a data set as hexadecimal digits.

    Args:
        source: classes, ids, sizes and labels are read from it.
        images: what identifies the pixels of each image, e.g. file name and bytes; JSON-able.
    """
    digest = hashlib.sha256(json.dumps([source.class_names, source.category_ids]).encode())
    for index, image in enumerate(images):
        labels = source.labels(index)
        digest.update(
            json.dumps([source.id(index), [*map(int, source.size(index))], image]).encode()
        )
        for array in (labels.boxes, labels.classes, labels.crowd, labels.area):
            digest.update(array.tobytes())
    return digest.hexdigest()
