"""The format of Darknet's `.weights` files, read strictly and written whole.

A file is a header and then nothing but float32, with no names and no lengths: what the numbers
mean follows from the network alone. So the network says first what it expects, the length of the
file must equal that to the byte, and only then is anything read
[parser.c:load_weights_upto, save_weights_upto].
"""

from __future__ import annotations

import itertools
import math
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from zoo.errors import ZooError
from zoo.files import exporting

FLOAT = np.dtype("<f4")
#: Darknet writes 0.1.0 to 0.2.5; parser.c takes what is above 1000 for a transposed layout.
VERSION_LIMIT = 1000


@dataclass(frozen=True)
class Record:
    """What one layer has in a file.

    Attributes:
        name: the layer, as an error should call it, e.g. `"convolution 12"`.
        shapes: of its arrays, in file order; kernels are (filters, inputs, height, width).
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]

    @property
    def floats(self) -> int:
        """How many numbers that is."""
        return sum(math.prod(shape) for shape in self.shapes)


@dataclass(frozen=True)
class Header:
    """The start of a file: the version that wrote it and the images its training had seen."""

    version: tuple[int, int, int] = (0, 2, 5)
    seen: int = 0

    @property
    def wide(self) -> bool:
        """Whether `seen` has 64 bits, as since version 0.2, or 32."""
        return self.version[0] * 10 + self.version[1] >= 2

    @property
    def size(self) -> int:
        """Bytes in a file."""
        return 20 if self.wide else 16

    def to_bytes(self) -> bytes:
        """As a file begins."""
        return struct.pack("<3i" + ("Q" if self.wide else "I"), *self.version, self.seen)


# === Reading ===


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read the header: three int32, then the images seen, 64 bits wide since version 0.2.

    Raises:
        ZooError: the file cannot be read, is too short, or is not Darknet's.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(20)
    except OSError as error:
        raise ZooError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(start) < 16:
        raise ZooError(f"{path} is {len(start)} bytes long: too short for a Darknet .weights file")
    version = struct.unpack("<3i", start[:12])
    if not all(0 <= number < VERSION_LIMIT for number in version):
        raise ZooError(
            f"{path} is not a Darknet .weights file: it begins with {start[:8]!r}, "
            "not with a version such as 0.2.5"
        )
    wide = Header(version).wide
    if wide and len(start) < 20:
        raise ZooError(f"{path} is {len(start)} bytes long: its header is cut short")
    seen = struct.unpack("<Q", start[12:20])[0] if wide else struct.unpack("<I", start[12:16])[0]
    return Header(version, seen)


def read_weights(
    path: str | os.PathLike[str], expected: Sequence[Record], what: str = "the network"
) -> list[list[np.ndarray]]:
    """Read the arrays of each layer.

    Args:
        path: a `.weights` file.
        expected: the layers of the network that have weights, in Darknet's order.
        what: the network, as an error should call it, e.g. `"yolov4-tiny with 80 classes"`.

    Returns:
        For each layer float32 arrays as in `Record.shapes`, mapped from the file and not copied.

    Raises:
        ZooError: the file is not Darknet's, is not exactly as long as `expected` wants it, or
            holds a number that is not finite.
    """
    header = read_header(path)
    floats = sum(record.floats for record in expected)
    _check_length(path, header, floats, f"the {len(expected)} layers of {what}")
    if not floats:
        return [[] for _ in expected]
    # A memory map: nothing is allocated for the file, and Keras copies from it what it keeps.
    values = np.memmap(path, FLOAT, "r", offset=header.size)
    return list(_split(path, values.view(np.ndarray), expected))


def whole_layers(
    path: str | os.PathLike[str], expected: Sequence[Record], what: str = "the network"
) -> int:
    """How many of the first layers a file holds to the byte: a `.conv.N` file, or a whole one.

    Raises:
        ZooError: the file does not end where a layer ends.
    """
    header, size = read_header(path), os.stat(path).st_size
    floats = itertools.accumulate(record.floats for record in expected)
    ends = [header.size + FLOAT.itemsize * count for count in floats]
    if size in ends:
        return ends.index(size) + 1
    before = max((end for end in ends if end < size), default=header.size)
    after = min((end for end in ends if end > size), default=None)
    rest = f"or {after:,}" if after else f"and {what} has no more"
    raise ZooError(
        f"{path} has {size:,} bytes, which end within a layer of {what}: whole layers end at "
        f"{before:,} {rest}; it is cut short, or belongs to another model"
    )


def _check_length(path: str | os.PathLike[str], header: Header, floats: int, what: str) -> None:
    needed, found = header.size + floats * FLOAT.itemsize, os.stat(path).st_size
    if found == needed:
        return
    cause = "cut short" if found < needed else "too long"
    raise ZooError(
        f"{path} has {found:,} bytes, but {what} need {needed:,} ({header.size} of header + "
        f"{floats:,} float32): it is {cause}, or belongs to another model or number of classes"
    )


def _split(
    path: str | os.PathLike[str], values: np.ndarray, expected: Sequence[Record]
) -> Iterator[list[np.ndarray]]:
    start = 0
    for record in expected:
        arrays = []
        for shape in record.shapes:
            part = values[start : start + math.prod(shape)]
            if not np.isfinite(part).all():
                raise ZooError(
                    f"{path} is damaged: NaN or infinity among the weights of {record.name} "
                    f"(array {shape})"
                )
            arrays.append(part.reshape(shape))
            start += part.size
        yield arrays


# === Writing ===


def write_weights(
    path: str | os.PathLike[str], header: Header, arrays: Iterable[np.ndarray]
) -> None:
    """Write a file whole or not at all.

    Args:
        path: what is written; an existing file is replaced when all is there.
        header: the version and the images seen.
        arrays: of all layers, in file order.
    """
    with exporting(path) as file:
        file.write(header.to_bytes())
        for array in arrays:
            file.write(np.ascontiguousarray(array, FLOAT).tobytes())
