"""What transforms take and give: pixels that have not moved yet, boxes that have."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np

#: A function of each pixel alone, uint8 (h, w, 3) → the same shape, that writes to no input.
Tone = Callable[[np.ndarray], np.ndarray]
#: What lies around an image: Darknet's grey, 0.5.
GREY = (128, 128, 128)
#: What `cv2.flip` calls a mirror along x, along y, and both.
FLIPS = {(True, False): 1, (False, True): 0, (True, True): -1}
#: Whole pixels are looked for in so many steps of a pixel of the result, until one is so near.
STEPS, NEAR = 4, 0.05


class Canvas(Protocol):
    """Pixels that are computed where they are looked at, such as those of a mosaic."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and 3."""

    def scaled(self, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The pixels, uint8 (*size, 3), after a matrix that scales, mirrors and moves only."""


@dataclass(frozen=True)
class Example:
    """An image with its boxes and classes, in the middle of augmentation.

    Geometry is a matrix until somebody looks at `image` (or, as a mosaic does, at a `region`), so
    that a crop, a resize and a flip are one interpolation of just those pixels that are shown.

    Attributes:
        pixels: uint8 (h, w, 3) RGB as decoded, shared, never written to; or a canvas.
        boxes_xyxy: float32 (n, 4), continuous pixels of `image`; may reach outside of it, for a
            later transform may bring that part back. The end of the chain cuts them.
        classes: int32 (n,).
        matrix: float64 (3, 3), continuous pixels of `pixels` → of `image`; None for no change.
        shape: height and width of `image` if there is a matrix.
        fill: colour of what the pixels do not cover; None for their mean.
        tones: functions of colour, applied in turn after the geometry.
    """

    pixels: np.ndarray | Canvas
    boxes_xyxy: np.ndarray
    classes: np.ndarray
    matrix: np.ndarray | None = None
    shape: tuple[int, int] | None = None
    fill: tuple[int, int, int] | None = GREY
    tones: tuple[Tone, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of `image`, pixels."""
        return self.shape or (self.pixels.shape[0], self.pixels.shape[1])

    @cached_property
    def image(self) -> np.ndarray:
        """uint8 (h, w, 3) RGB; not to be written to, it may be the data set's own array."""
        return self.region(0, 0, self.size[1], self.size[0])

    def region(self, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        """The part of `image` from column `left` to before `right`, row `top` to before `bottom`.

        Only this part is computed. What lies outside of `image` is what a larger one would show.
        """
        return self.shown(shift(-left, -top), (bottom - top, right - left))

    def shown(self, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The pixels, uint8 (*size, 3), after one more matrix; boxes are not looked at."""
        whole = matrix if self.matrix is None else matrix @ self.matrix
        pixels = _warped(self.pixels, whole, size, self.fill)
        for tone in self.tones:
            pixels = tone(pixels)
        return pixels

    @property
    def bounds(self) -> np.ndarray:
        """The pixels' frame in `image`, xyxy, float64 (4,): what is outside of it is fill."""
        height, width = self.pixels.shape[:2]
        frame = np.array([[0, 0, width, height]], np.float64)
        return (frame if self.matrix is None else moved(frame, self.matrix))[0]

    def warp(
        self,
        matrix: np.ndarray,
        size: tuple[int, int],
        *,
        fill: tuple[int, int, int] | None = GREY,
    ) -> Example:
        """Move pixels and boxes; boxes are not clipped.

        Args:
            matrix: (3, 3), continuous pixels of `image` → of the new one.
            size: height and width of the new image.
            fill: see `Example`; it becomes that of earlier warps too.
        """
        boxes = moved(self.boxes_xyxy, matrix).astype(np.float32)
        whole = matrix if self.matrix is None else matrix @ self.matrix
        return Example(self.pixels, boxes, self.classes, whole, size, fill, self.tones)

    def tone(self, function: Tone) -> Example:
        """Change colours, when the pixels are looked at."""
        return replace(self, tones=(*self.tones, function))

    def paint(self, image: np.ndarray) -> Example:
        """The same boxes over other pixels of the same size.

        To be `clipped` before: no later transform can bring back what is outside of these pixels.
        """
        return Example(image, self.boxes_xyxy, self.classes)

    def keep(self, rows: np.ndarray) -> Example:
        """Only these boxes; `rows` is a mask or indices."""
        return replace(self, boxes_xyxy=self.boxes_xyxy[rows], classes=self.classes[rows])

    def clipped(self, *, min_side: float = 1.0) -> Example:
        """Boxes cut to the image; without those of which less than `min_side` pixels are left.

        Darknet's rule [data.c:fill_truth_detection]; a side of exactly `min_side` stays.
        """
        height, width = self.size
        boxes = np.clip(self.boxes_xyxy, 0, np.array([width, height] * 2, np.float32))
        rows = ((boxes[:, 2:] - boxes[:, :2]) >= min_side).all(axis=1)
        return replace(self, boxes_xyxy=boxes[rows], classes=self.classes[rows])


# === Matrices of continuous pixels: the pixel in column 0 covers [0, 1] ===


def shift(x: float, y: float) -> np.ndarray:
    """The matrix that moves by (x, y)."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def scale(x: float, y: float) -> np.ndarray:
    """The matrix that scales about the upper left corner; −1 mirrors."""
    return np.array([[x, 0, 0], [0, y, 0], [0, 0, 1]], np.float64)


def moved(boxes_xyxy: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Boxes around the moved corners of boxes, (n, 4) float64."""
    if not len(boxes_xyxy):
        return np.zeros((0, 4))
    if _straight(matrix):
        ends = boxes_xyxy.reshape(-1, 2, 2) * matrix.diagonal()[:2] + matrix[:2, 2]
        if matrix[0, 0] >= 0 and matrix[1, 1] >= 0:  # nothing changes places
            return ends.reshape(-1, 4)
        return np.concatenate([ends.min(1), ends.max(1)], axis=1)
    corners = boxes_xyxy[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2).astype(np.float64)
    x, y, w = np.moveaxis(corners @ matrix[:, :2].T + matrix[:, 2], -1, 0)
    x, y = x / w, y / w
    return np.stack([x.min(1), y.min(1), x.max(1), y.max(1)], axis=1)


def _straight(matrix: np.ndarray) -> bool:
    """Whether a matrix neither rotates nor shears nor tilts."""
    return not (matrix[0, 1] or matrix[1, 0] or matrix[2, 0] or matrix[2, 1])


# === Looking at pixels ===


def _warped(
    pixels: np.ndarray | Canvas, matrix: np.ndarray, size: tuple[int, int], fill: tuple | None
) -> np.ndarray:
    height, width = size
    if min(height, width) < 1:
        return np.zeros((height, width, 3), np.uint8)
    if _straight(matrix):
        x, y = np.sign(matrix.diagonal()[:2])
        if x < 0 or y < 0:  # the mirror image of what an upright matrix shows
            upright = shift(width * (x < 0), height * (y < 0)) @ scale(x, y) @ matrix
            return cv2.flip(_warped(pixels, upright, size, fill), FLIPS[x < 0, y < 0])
        if not isinstance(pixels, np.ndarray):
            return pixels.scaled(matrix, size)
        if (made := _resized(pixels, matrix, size, fill)) is not None:
            return made
    if not isinstance(pixels, np.ndarray):
        pixels, matrix = _needed(pixels, matrix, size)
    # OpenCV counts from the centre of the first pixel.
    centred = shift(-0.5, -0.5) @ matrix @ shift(0.5, 0.5)
    around = _mean(pixels) if fill is None else fill
    options: dict[str, Any] = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": around}
    if centred[2, 0] == centred[2, 1] == 0:
        return cv2.warpAffine(pixels, centred[:2], (width, height), **options)
    return cv2.warpPerspective(pixels, centred, (width, height), **options)


def _mean(pixels: np.ndarray) -> Sequence[float]:
    """Mean colour; some sixty rows tell it as well as all do."""
    return cv2.mean(pixels[:: max(1, len(pixels) // 64)])[:3]


def _needed(
    canvas: Canvas, matrix: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The part of a canvas that shows after the matrix, and the matrix from there."""
    shown = np.array([[0, 0, size[1], size[0]]], np.float64)
    around = moved(shown, np.linalg.inv(matrix))[0] + [-1, -1, 1, 1]  # neighbours interpolate
    limits = [canvas.shape[1], canvas.shape[0]] * 2
    left, top, right, bottom = np.clip(np.rint(around), 0, limits).astype(int)
    if left >= right or top >= bottom:  # none of it shows
        left, top, right, bottom = 0, 0, 1, 1
    part = canvas.scaled(shift(-left, -top), (bottom - top, right - left))
    return part, matrix @ shift(left, top)


def _resized(
    pixels: np.ndarray, matrix: np.ndarray, size: tuple[int, int], fill: tuple | None
) -> np.ndarray | None:
    """The result of an upright matrix by `cv2.resize`, in half the time of `cv2.warpAffine`.

    A resize takes whole pixels to whole pixels, as Darknet's crop does: what is shown lies up to
    half a pixel of the result beside where the matrix puts it, most of it much less. None where
    nothing shows, or less than a pixel.
    """
    height, width = size
    columns = _span(matrix[0, 0].item(), matrix[0, 2].item(), pixels.shape[1], width)
    rows = _span(matrix[1, 1].item(), matrix[1, 2].item(), pixels.shape[0], height)
    if columns is None or rows is None:
        return None
    part = pixels[rows.begin : rows.end, columns.begin : columns.end]
    made = part
    if part.shape[:2] != (rows.made, columns.made):
        made = cv2.resize(part, (columns.made, rows.made))
    made = made[
        rows.skip : rows.skip + rows.last - rows.first,
        columns.skip : columns.skip + columns.last - columns.first,
    ]
    if made.shape[:2] == size:
        return np.ascontiguousarray(made)
    whole = np.empty((height, width, 3), np.uint8)
    whole[:] = np.rint(_mean(pixels) if fill is None else fill)
    whole[rows.first : rows.last, columns.first : columns.last] = made
    return whole


class Span(NamedTuple):
    """Along one axis: which pixels are resized to `made`, and where what they show begins.

    Pixels `begin` to before `end` become `made`; of these, those from `skip` on are the pixels
    `first` to before `last` of the result.
    """

    begin: int
    end: int
    made: int
    skip: int
    first: int
    last: int


def _span(factor: float, offset: float, length: int, room: int) -> Span | None:
    """How a resize shows `length` pixels, scaled and moved, in `room` pixels; None: it cannot."""
    # A pixel of the result shows the image if its centre lies in it.
    first = max(0, math.ceil(offset - 0.5))
    last = min(room, math.ceil(offset + factor * length - 0.5))
    if first >= last:
        return None
    steps = max(STEPS, math.ceil(factor))
    begin, skip = _whole((first - offset) / factor, -1 / factor, length, steps)
    end, beyond = _whole((last - offset) / factor, 1 / factor, length, steps)
    if begin >= end:
        return None
    return Span(begin, end, last - first + skip + beyond, skip, first, last)


def _whole(position: float, step: float, length: int, steps: int) -> tuple[int, int]:
    """The whole number, 0 to `length`, that a position comes next to, and after how many steps."""
    best, found = math.inf, (0, 0)
    for count in range(steps):
        whole = min(max(round(position), 0), length)
        if (distance := abs(position - whole)) < best:
            best, found = distance, (whole, count)
            if distance < NEAR:
                break
        position += step
    return found
