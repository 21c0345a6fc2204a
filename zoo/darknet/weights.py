"""Darknet's `.weights` files, read strictly [Darknet parser.c:load_weights_upto].

A file is a header and then nothing but float32, with no names and no lengths: what the numbers
mean follows from the network alone. So the network says first what it expects, the length of the
file must equal that to the byte, and only then is anything read.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.darknet.order import darknet_order
from zoo.errors import ZooError

FLOAT = np.dtype("<f4")
#: Darknet writes 0.1.0 to 0.2.5; parser.c takes 1000 and more for a transposed layout.
VERSION_LIMIT = 1000


@dataclass(frozen=True)
class ConvShape:
    """What one convolution takes from a file.

    Attributes:
        kernel: (height, width, input channels / groups, filters), Keras' order.
        normalized: batch normalisation follows, in the place of a bias.
    """

    kernel: tuple[int, int, int, int]
    normalized: bool

    @property
    def arrays(self) -> list[tuple[int, ...]]:
        """Shapes in file order: beta, gamma, mean, variance or bias; then the kernel, OIHW."""
        height, width, inputs, filters = self.kernel
        vectors = 4 if self.normalized else 1
        return [(filters,)] * vectors + [(filters, inputs, height, width)]

    @property
    def floats(self) -> int:
        """How many numbers that is."""
        return sum(math.prod(shape) for shape in self.arrays)


@dataclass(frozen=True)
class Header:
    """The start of a file: the version that wrote it and the images its training had seen."""

    version: tuple[int, int, int]
    seen: int
    size: int  # bytes


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
    major, minor, revision = version = struct.unpack("<3i", start[:12])
    if not all(0 <= number < VERSION_LIMIT for number in version):
        raise ZooError(
            f"{path} is not a Darknet .weights file: it begins with {start[:8]!r}, "
            "not with a version such as 0.2.5"
        )
    wide = major * 10 + minor >= 2
    if wide and len(start) < 20:
        raise ZooError(f"{path} is {len(start)} bytes long: its header is cut short")
    seen = struct.unpack("<Q", start[12:20])[0] if wide else struct.unpack("<I", start[12:16])[0]
    return Header((major, minor, revision), seen, 20 if wide else 16)


def read_weights(
    path: str | os.PathLike[str], expected: Sequence[ConvShape], what: str = "the network"
) -> list[list[np.ndarray]]:
    """Read the arrays of each convolution.

    Args:
        path: a `.weights` file.
        expected: the convolutions of the network, in Darknet's order.
        what: the network, as an error should call it, e.g. `"yolov4-tiny with 80 classes"`.

    Returns:
        For each convolution float32 arrays as in `ConvShape.arrays`, mapped from the file and
        not copied.

    Raises:
        ZooError: the file is not Darknet's, is not exactly as long as `expected` wants it, or
            holds a number that is not finite.
    """
    header = read_header(path)
    floats = sum(shape.floats for shape in expected)
    _check_length(path, header, floats, f"the {len(expected)} convolutions of {what}")
    # A memory map: nothing is allocated for the file, and Keras copies from it what it keeps.
    values = np.memmap(path, FLOAT, "r", offset=header.size)
    return list(_split(path, values.view(np.ndarray), expected))


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
    path: str | os.PathLike[str], values: np.ndarray, expected: Sequence[ConvShape]
) -> Iterator[list[np.ndarray]]:
    start = 0
    for index, shape in enumerate(expected):
        arrays = []
        for array_shape in shape.arrays:
            part = values[start : start + math.prod(array_shape)]
            if not np.isfinite(part).all():
                raise ZooError(
                    f"{path} is damaged: NaN or infinity among the weights of convolution {index} "
                    f"(kernel {shape.kernel}, height × width × inputs × filters)"
                )
            arrays.append(part.reshape(array_shape))
            start += part.size
        yield arrays


# === Into Keras ===


def load_weights(detector: Any, path: str | os.PathLike[str]) -> None:
    """Set every weight of a detector from a `.weights` file of the same network.

    Args:
        detector: a `zoo.detector.Detector`.
        path: the file; its length must fit the detector exactly.

    Raises:
        ZooError: the file does not fit (see `read_weights`), or the detector holds weights that
            a `.weights` file has no place for. The detector is then unchanged.
    """
    layers = darknet_order(detector)
    expected = [conv_shape(layer) for layer in layers]
    _check_complete(detector, expected)
    what = f"{detector.name} with {len(detector.class_names)} classes"
    # All is read and checked before the first weight is set.
    for layer, arrays in zip(layers, read_weights(Path(path), expected, what), strict=True):
        assign(layer, arrays)


def conv_shape(layer: Any) -> ConvShape:
    """What a `ConvBN` takes from a file."""
    height, width, inputs, filters = (int(side) for side in layer.convolution.kernel.shape)
    return ConvShape((height, width, inputs, filters), layer.normalization is not None)


def assign(layer: Any, arrays: Sequence[np.ndarray]) -> None:
    """Set the weights of a `ConvBN` from the arrays of one convolution, in file order."""
    *vectors, kernel = arrays
    layer.convolution.kernel.assign(kernel.transpose(2, 3, 1, 0))
    if layer.normalization is None:
        layer.convolution.bias.assign(vectors[0])
        return
    beta, gamma, mean, variance = vectors
    layer.normalization.beta.assign(beta)
    layer.normalization.gamma.assign(gamma)
    layer.normalization.moving_mean.assign(mean)
    layer.normalization.moving_variance.assign(variance)


def _check_complete(detector: Any, expected: Iterable[ConvShape]) -> None:
    """Refuse a network of which only a part would be loaded."""
    held, covered = int(detector.count_params()), sum(shape.floats for shape in expected)
    if held != covered:
        raise ZooError(
            f"{detector.name} is not a Darknet network: a .weights file holds convolutions only "
            f"({covered:,} numbers here), the model has {held:,} weights"
        )
