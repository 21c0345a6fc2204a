"""Several images on one canvas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from zoo.data.transforms.example import GREY, Example, moved, shift


def mosaic(
    example: Example,
    rng: np.random.Generator,
    *,
    draw: Callable[[], Example],
    size: Sequence[int],
    probability: float = 0.5,
    canvas: int = 1,
    cut: float = 0.2,
    bound: bool = True,
) -> Example:
    """Four images around a random point, each showing the part next to it [yolov4, §3.3; data.c].

    With the defaults it is Darknet's: the images are of the size of the network input (put
    `darknet_crop` before), so is the canvas, and padding at the inner corner of an image is moved
    out of sight. Half of the time an image is first moved so that its own corner is at the point.
    With `canvas=2`, `cut=0.25`, and `fit` before it, it is that of Scaled-YOLOv4, which
    wants a `perspective` behind it.

    Args:
        example: pixels and boxes; the image at the upper left.
        rng: where chance comes from.
        draw: gives the three others.
        size: height and width of the network input.
        probability: how often; otherwise the example stays as it is.
        canvas: sides of the canvas in sides of the network input.
        cut: the point keeps at least this share of the canvas away from its borders.
        bound: boxes end with their image; False lets them reach under the neighbours as far as the
            canvas goes, Darknet's `mosaic_bound=0`.
    """
    if rng.random() >= probability:
        return example
    height, width = canvas * size[0], canvas * size[1]
    x = int(rng.integers(int(cut * width), int((1 - cut) * width), endpoint=True))
    y = int(rng.integers(int(cut * height), int((1 - cut) * height), endpoint=True))
    tiles = [example, draw(), draw(), draw()]
    tiles = [_cornered(tile, rng, place) for tile, place in zip(tiles, _places(2), strict=True)]
    return _composed(tiles, [0, x, width], [0, y, height], bound=bound)


def mosaic9(
    example: Example,
    rng: np.random.Generator,
    *,
    draw: Callable[[], Example],
    size: Sequence[int],
    probability: float = 0.5,
    canvas: int = 2,
    bound: bool = True,
) -> Example:
    """Nine images in three rows; the middle one is at least a fifth of the canvas, at random.

    Args:
        example: pixels and boxes; the image at the upper left.
        rng: where chance comes from.
        draw: gives the eight others.
        size: height and width of the network input.
        probability: how often; otherwise the example stays as it is.
        canvas: sides of the canvas in sides of the network input.
        bound: see `mosaic`.
    """
    if rng.random() >= probability:
        return example
    height, width = canvas * size[0], canvas * size[1]
    columns, rows = (
        [0, int(rng.uniform(0.2, 0.4) * side), int(rng.uniform(0.6, 0.8) * side), side]
        for side in (width, height)
    )
    return _composed([example, *(draw() for _ in range(8))], columns, rows, bound=bound)


def _places(count: int) -> list[tuple[float, float]]:
    """Where tiles touch their cells, row by row: 1 its end, ½ its middle, 0 its beginning."""
    steps = [1 - step / (count - 1) for step in range(count)]
    return [(x, y) for y in steps for x in steps]


def _cornered(tile: Example, rng: np.random.Generator, place: tuple[float, float]) -> Example:
    """The tile with no padding at its inner corner; half of the time with its own corner there."""
    left, top, right, bottom = tile.bounds
    height, width = tile.size
    to_corner = rng.random() < 0.5
    x = (width - right) if place[0] else -left
    y = (height - bottom) if place[1] else -top
    if not to_corner:  # only as far as padding shows
        x = max(0.0, x) if place[0] else min(0.0, x)
        y = max(0.0, y) if place[1] else min(0.0, y)
    if not round(x) and not round(y):
        return tile
    return tile.warp(shift(round(x), round(y)), (height, width), fill=tile.fill)


@dataclass(frozen=True)
class Montage:
    """A `Canvas`: tiles, where each begins, and the rectangle in which it is visible."""

    shape: tuple[int, int, int]
    tiles: list[tuple[Example, tuple[int, int], tuple[int, int, int, int]]]

    def scaled(self, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """See `Canvas`; only what shows of a tile is computed, in one step from its pixels."""
        shown = np.full((*size, 3), GREY[0], np.uint8)
        limits = [size[1], size[0]] * 2
        frames = moved(np.array([frame for *_, frame in self.tiles], np.float64), matrix)
        whole = np.clip(np.rint(frames), 0, limits).astype(int).tolist()
        for (tile, begin, _), (left, top, right, bottom) in zip(self.tiles, whole, strict=True):
            if left < right and top < bottom:
                to_part = shift(-left, -top) @ matrix @ shift(*begin)
                part = tile.shown(to_part, (bottom - top, right - left))
                shown[top:bottom, left:right] = part
        return shown


def _composed(
    tiles: Sequence[Example], columns: Sequence[int], rows: Sequence[int], *, bound: bool
) -> Example:
    """Tiles in the cells between the columns and rows."""
    cells = [(x, y) for y in pairwise(rows) for x in pairwise(columns)]
    montage = Montage((rows[-1], columns[-1], 3), [])
    offsets, frames, counts = [], [], []
    for tile, place, cell in zip(tiles, _places(len(rows) - 1), cells, strict=True):
        (x0, x1), (y0, y1) = cell
        x, y = (_offset(*cell[axis], tile.size[1 - axis], place[axis]) for axis in (0, 1))
        frame = (max(x, x0), max(y, y0), min(x + tile.size[1], x1), min(y + tile.size[0], y1))
        montage.tiles.append((tile, (x, y), frame))
        offsets.append((x, y, x, y))
        frames.append(frame)
        counts.append(len(tile.boxes_xyxy))
    boxes = np.concatenate([tile.boxes_xyxy for tile in tiles])
    boxes = boxes + np.repeat(np.array(offsets, np.float32), counts, axis=0)
    inside_of = np.repeat(np.array(frames), counts, axis=0)
    boxes, shown = _seen(boxes, inside_of, montage.shape, bound=bound)
    classes = np.concatenate([tile.classes for tile in tiles])
    return Example(montage, boxes[shown], classes[shown])


def _offset(low: int, high: int, length: int, place: float) -> int:
    """Where a tile of this length begins whose end, middle or beginning is that of its cell."""
    return round(low + (high - low - length) * place)


def _seen(
    boxes: np.ndarray, frames: np.ndarray, canvas: Sequence[int], *, bound: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes cut to what is visible of their tile, or to the canvas, and which of them show."""
    low, high = frames[:, [0, 1, 0, 1]], frames[:, [2, 3, 2, 3]]
    inside = np.minimum(np.maximum(boxes, low), high)
    shown = ((inside[:, 2:] - inside[:, :2]) > 1).all(axis=1)
    if not bound:
        inside = np.clip(boxes, 0, [canvas[1], canvas[0]] * 2)
    return inside.astype(np.float32), shown
