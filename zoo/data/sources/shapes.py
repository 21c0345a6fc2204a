"""A synthetic detection task, drawn on the fly: no files, no download, the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from zoo.data.sample import Labels, fingerprint
from zoo.data.sources import SPLITS
from zoo.data.sources.drawing import OUTLINES, Scene, arrange, paint
from zoo.errors import ZooError, nearest


class Shapes:
    """Coloured shapes on structured backgrounds; a `Source`.

    Six classes, up to six objects an image (some images have none), sides of 14 to 64 pixels at
    128, any rotation, colour and overlap, with lines that are no objects. Image `index` is a
    function of (seed, split, index) alone, and splits share no image.

    Args:
        split: `"train"`, `"val"` or `"test"`.
        size: height and width, pixels; objects scale with the shorter side.
        images: how many images the training split has.
        held_out: how many each of the other two has.
        seed: which data set of this kind.

    Raises:
        ZooError: no such split, or no image.
    """

    def __init__(
        self,
        *,
        split: str,
        size: Sequence[int] = (128, 128),
        images: int = 4000,
        held_out: int = 400,
        seed: int = 0,
    ):
        if split not in SPLITS:
            raise ZooError(f"shapes has no split {split!r}; {nearest(split, SPLITS)}")
        self._length = images if split == "train" else held_out
        if self._length < 1:
            raise ZooError(f"shapes split {split!r} has no images")
        if min(size) < 32:
            raise ZooError(f"data.size={list(size)}: shapes need at least 32 pixels a side")
        self.class_names = list(OUTLINES)
        self.category_ids = list(range(1, len(OUTLINES) + 1))
        self._size = (int(size[0]), int(size[1]))
        self._key = (seed, SPLITS.index(split))
        self._labels: dict[int, Labels] = {}

    def __len__(self) -> int:
        return self._length

    def id(self, index: int) -> int:
        """The index itself."""
        return range(self._length)[index]

    def size(self, index: int) -> tuple[int, int]:
        """Height and width, pixels."""
        return self._size

    def labels(self, index: int) -> Labels:
        """Boxes tight around the pixels of each shape inside the image, hidden ones included."""
        if index not in self._labels:
            scene = self._scene(index)
            self._labels[index] = Labels.of(scene.boxes, scene.classes)
        return self._labels[index]

    def image(self, index: int) -> np.ndarray:
        """The picture, uint8 (height, width, 3) RGB."""
        return paint(self._scene(index), np.random.default_rng([*self._key, self.id(index), 1]))

    def _scene(self, index: int) -> Scene:
        return arrange(self._size, np.random.default_rng([*self._key, self.id(index), 0]))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the labels and over the pixels of the first image."""
        first = [self.image(0).tobytes().hex()]
        return fingerprint(self, first + [None] * (self._length - 1))
