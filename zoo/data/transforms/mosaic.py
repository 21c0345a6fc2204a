"""Several images on one canvas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from zoo.data.transforms.example import GREY, Example, shift


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
    steps = np.linspace(1, 0, count)
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


def _composed(
    tiles: Sequence[Example], columns: Sequence[int], rows: Sequence[int], *, bound: bool
) -> Example:
    """Tiles in cells between the columns and rows; only what is shown of a tile is computed."""
    cells = [(x, y) for y in pairwise(rows) for x in pairwise(columns)]
    canvas = np.full((rows[-1], columns[-1], 3), GREY, np.uint8)
    parts = []
    for tile, place, cell in zip(tiles, _places(len(rows) - 1), cells, strict=True):
        dx, dy = (_offset(*cell[i], tile.size[1 - i], place[i]) for i in (0, 1))
        frame = (dx, dy, dx + tile.size[1], dy + tile.size[0])
        left, right = np.clip(frame[0::2], *cell[0])
        top, bottom = np.clip(frame[1::2], *cell[1])
        canvas[top:bottom, left:right] = tile.region(left - dx, top - dy, right - dx, bottom - dy)
        parts.append(_seen(tile, (dx, dy), (left, top, right, bottom), canvas.shape, bound=bound))
    boxes, classes = zip(*parts, strict=True)
    return Example(canvas, np.concatenate(boxes), np.concatenate(classes))


def _offset(low: int, high: int, length: int, place: float) -> int:
    """Where a tile of this length begins whose end, middle or beginning is that of its cell."""
    return round(low + (high - low - length) * place)


def _seen(
    tile: Example, offset: tuple[int, int], visible: Sequence[int], canvas: Sequence[int],
    *, bound: bool,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The boxes of a tile that show on the canvas, cut to what is visible or to the canvas."""
    boxes = tile.boxes_xyxy + np.array([*offset, *offset], np.float32)
    left, top, right, bottom = visible
    limits = (left, top, right, bottom) if bound else (0, 0, canvas[1], canvas[0])
    inside = np.clip(boxes, [left, top] * 2, [right, bottom] * 2)
    shown = ((inside[:, 2:] - inside[:, :2]) > 1).all(axis=1)
    kept = replace(tile, boxes_xyxy=np.clip(boxes, limits[:2] * 2, limits[2:] * 2)).keep(shown)
    return kept.boxes_xyxy.astype(np.float32), kept.classes
