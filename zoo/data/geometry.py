"""From an image to the input of a network, and for boxes the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from zoo.data.image import averaged, reduction_for
from zoo.data.sample import Source
from zoo.errors import ZooError, nearest

MODES = ("letterbox", "stretch")
INTERPOLATIONS = ("darknet", "linear")
GREY = 0.5  # of the canvas around a letterboxed image


@dataclass(frozen=True)
class Geometry:
    """Where the pixels of one image went: network = original · scale + pad.

    Attributes:
        scale_x: network pixels for one original pixel, along x.
        scale_y: the same along y.
        pad_x: network pixels left of the image.
        pad_y: network pixels above the image.
        original: height and width of the original, pixels.
    """

    scale_x: float
    scale_y: float
    pad_x: float
    pad_y: float
    original: tuple[int, int]

    def forward(self, boxes_xyxy: np.ndarray) -> np.ndarray:
        """Boxes (…, 4) in pixels of the original → float32 in pixels of the network input."""
        return (np.asarray(boxes_xyxy, np.float64) * self._scale + self._pad).astype(np.float32)

    def window(self, size_hw: Sequence[int], *, isotropic: bool = False) -> np.ndarray:
        """Where the image lies in a network input of this height and width.

        Args:
            size_hw: of the network input.
            isotropic: give the square of the image's long side that starts where the image does:
                what is relative to it keeps the image's aspect ratio.

        Returns:
            float32 (4,) xyxy, relative to the network input; all of it, (0, 0, 1, 1), for an image
            that was stretched.
        """
        (h, w), (height, width) = self.original, size_hw
        if isotropic:
            h = w = max(h, w)
        whole = np.array([0, 0, w, h]) * self._scale + self._pad
        return (whole / [width, height, width, height]).astype(np.float32)

    @property
    def matrix(self) -> np.ndarray:
        """The same as a matrix (3, 3) of continuous pixels."""
        return np.array(
            [[self.scale_x, 0, self.pad_x], [0, self.scale_y, self.pad_y], [0, 0, 1]], np.float64
        )

    @property
    def _scale(self) -> np.ndarray:
        return np.array([self.scale_x, self.scale_y] * 2)

    @property
    def _pad(self) -> np.ndarray:
        return np.array([self.pad_x, self.pad_y] * 2)


def resize(
    image: np.ndarray,
    size_hw: Sequence[int],
    *,
    mode: str,
    interpolation: str = "linear",
    original: tuple[int, int] | None = None,
) -> tuple[np.ndarray, Geometry]:
    """Bring an image to the size of the network input.

    Args:
        image: uint8 (h, w, 3) RGB.
        size_hw: height H and width W of the network input, pixels.
        mode: `"stretch"` fills the input and changes the aspect ratio; `"letterbox"` keeps it, the
            image centred on grey.
        interpolation: `"linear"` is OpenCV's (on bytes, half-pixel centres), after
            `zoo.data.image.averaged` of an image of four times the input and more; `"darknet"` is
            `image.c:resize_image` and `letterbox_image` (on floats, corners aligned), its black
            last row at some heights included, with which published numbers were measured.
        original: height and width of the whole, if `image` shows all of it at a part of its size.

    Returns:
        float32 (H, W, 3) in [0, 1], and the geometry of boxes.

    Raises:
        ZooError: an unknown mode or interpolation.
    """
    check_resize(mode, interpolation)
    scaled = _darknet if interpolation == "darknet" else _linear
    (h, w), (height, width) = original or image.shape[:2], size_hw
    if interpolation == "linear" and original is None:
        image = averaged(image, reduction_for((h, w), (height, width)))
    geometry = geometry_of((h, w), size_hw, mode=mode)
    if mode == "stretch":
        return scaled(image, height, width), geometry
    inner_h, inner_w = _fit(h, w, height, width)
    top, left = int(geometry.pad_y), int(geometry.pad_x)
    canvas = np.full((height, width, 3), GREY, np.float32)
    canvas[top : top + inner_h, left : left + inner_w] = scaled(image, inner_h, inner_w)
    if interpolation == "darknet":
        # Darknet pastes at whole pixels but takes halves when it maps boxes back; so do we.
        pad_x, pad_y = (width - inner_w) / 2, (height - inner_h) / 2
        geometry = replace(geometry, pad_x=pad_x, pad_y=pad_y)
    return canvas, geometry


def geometry_of(shape_hw: Sequence[int], size_hw: Sequence[int], *, mode: str) -> Geometry:
    """Where `resize`, linear, puts an image of this shape; no pixel is looked at.

    Args:
        shape_hw: height and width of the image, pixels.
        size_hw: height and width of the network input, pixels.
        mode: as in `resize`.
    """
    check_resize(mode)
    (h, w), (height, width) = shape_hw, size_hw
    if mode == "stretch":
        return Geometry(width / w, height / h, 0.0, 0.0, (h, w))
    inner_h, inner_w = _fit(h, w, height, width)
    top, left = (height - inner_h) // 2, (width - inner_w) // 2
    return Geometry(inner_w / w, inner_h / h, float(left), float(top), (h, w))


def resized_sides(source: Source, size_hw: Sequence[int], *, mode: str) -> np.ndarray:
    """Width and height of every box of a data set at the network input; no pixel is read.

    Args:
        source: the data set; crowd boxes are left out.
        size_hw: height and width of the network input, pixels.
        mode: as in `resize`.

    Returns:
        float64 (n, 2), pixels.
    """
    check_resize(mode)
    sides = [np.zeros((0, 2))]
    for index in range(len(source)):
        labels, (h, w) = source.labels(index), source.size(index)
        boxes = labels.boxes[~labels.crowd].astype(np.float64)
        height, width = size_hw if mode == "stretch" else _fit(h, w, *size_hw)
        sides.append((boxes[:, 2:] - boxes[:, :2]) * (width / w, height / h))
    return np.concatenate(sides)


def check_resize(mode: str, interpolation: str = "linear") -> None:
    """Refuse what is no argument of `resize`.

    Raises:
        ZooError: there is no such mode or interpolation; the nearest is suggested.
    """
    for what, value, known in (
        ("mode", mode, MODES),
        ("interpolation", interpolation, INTERPOLATIONS),
    ):
        if value not in known:
            raise ZooError(f"no resize {what} {value!r}; {nearest(value, known)}")


def _fit(h: int, w: int, height: int, width: int) -> tuple[int, int]:
    """The largest size of the same aspect ratio, rounded down as Darknet does."""
    if width * h < height * w:
        return max(1, h * width // w), width
    return height, max(1, w * height // h)


def _linear(image: np.ndarray, height: int, width: int) -> np.ndarray:
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.divide(image, 255, dtype=np.float32)


def _darknet(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """`image.c:resize_image`: a horizontal pass, then a vertical one, in float32."""
    pixels = np.divide(image, 255, dtype=np.float32)
    h, w = pixels.shape[:2]
    if (h, w) == (height, width):
        return pixels
    base, weight = _taps(w, width)
    weight = weight[:, None]
    rows = (1 - weight) * pixels[:, base] + weight * pixels[:, np.minimum(base + 1, w - 1)]
    rows[:, -1] = pixels[:, -1]  # the last column is taken from the last column
    base, weight = _taps(h, height)
    weight = weight[:, None, None]
    # The last row never gets its second tap: where rounding puts its base one row early, with
    # weight ≈ 0, it comes out black. An error of Darknet, kept: its numbers were made with it.
    second = weight * rows[np.minimum(base + 1, h - 1)]
    second[-1] = 0
    return (1 - weight) * rows[base] + second if h > 1 else (1 - weight) * rows[base]


def _taps(source: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """For each output pixel the first of its two source pixels, and the weight of the second."""
    step = np.float32(source - 1) / np.float32(max(1, target - 1))
    position = np.arange(target, dtype=np.float32) * step
    base = position.astype(np.int64)
    return base, position - base.astype(np.float32)
