"""Decoded images kept in memory, up to a bound."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np

from zoo.data.sample import Labels, Source, pixels_of


class Cached:
    """A `Source` that remembers the pixels asked for last; what it gives is the same without it.

    Args:
        source: the data set.
        limit: bytes of pixels to keep; 0 keeps none.
    """

    def __init__(self, source: Source, limit: int):
        self._source, self._limit = source, limit
        self._pixels: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
        self._kept = 0
        self._lock = threading.Lock()
        self.class_names, self.category_ids = source.class_names, source.category_ids

    @property
    def fingerprint(self) -> str:
        """The source's."""
        return self._source.fingerprint

    def __len__(self) -> int:
        return len(self._source)

    def id(self, index: int) -> int | str:
        """The source's."""
        return self._source.id(index)

    def labels(self, index: int) -> Labels:
        """The source's."""
        return self._source.labels(index)

    def size(self, index: int) -> tuple[int, int]:
        """The source's."""
        return self._source.size(index)

    def image(self, index: int) -> np.ndarray:
        """The pixels, uint8 (height, width, 3) RGB, read-only: others see the same array."""
        return self.reduced(index, 1)

    def reduced(self, index: int, reduction: int) -> np.ndarray:
        """As `image`, at a part of their size where the source can."""
        key = index, reduction
        with self._lock:
            if key in self._pixels:
                self._pixels.move_to_end(key)
                return self._pixels[key]
        # Outside of the lock: threads decode together.
        pixels = pixels_of(self._source, index, reduction).view()
        pixels.flags.writeable = False
        with self._lock:
            if key not in self._pixels and pixels.nbytes <= self._limit:
                self._pixels[key] = pixels
                self._kept += pixels.nbytes
                while self._kept > self._limit:
                    self._kept -= self._pixels.popitem(last=False)[1].nbytes
        return pixels
