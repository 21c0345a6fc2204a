"""Holes."""

from __future__ import annotations

import numpy as np

from zoo.data.transforms.boxes import covered
from zoo.data.transforms.example import GREY, Example
from zoo.ranges import SHARE, check_number


def cutout(
    example: Example,
    rng: np.random.Generator,
    *,
    probability: float = 0.5,
    holes: int = 4,
    largest: float = 0.3,
    max_cover: float = 0.6,
) -> Example:
    """Cover random rectangles with grey [cutout, §3].

    Args:
        example: pixels and boxes.
        rng: where chance comes from.
        probability: how often.
        holes: how many at most, at least one.
        largest: largest side of a hole, in sides of the image.
        max_cover: an object of which one hole covers a larger share is no object any more.
    """
    check_number("max_cover", max_cover, SHARE)
    if rng.random() >= probability:
        return example
    example, (height, width) = example.clipped(), example.size
    image, kept = example.image.copy(), np.ones(len(example.classes), bool)
    for _ in range(int(rng.integers(1, holes, endpoint=True))):
        w, h = np.ceil(rng.uniform(0, largest, 2) * (width, height)).astype(int)
        x, y = rng.integers(0, [width - w, height - h], endpoint=True)
        image[y : y + h, x : x + w] = GREY
        kept &= covered(example.boxes_xyxy, (x, y, x + w, y + h)) <= max_cover
    return example.paint(image).keep(kept)
