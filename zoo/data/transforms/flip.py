"""Mirroring."""

from __future__ import annotations

import numpy as np

from zoo.data.transforms.example import Example, scale, shift
from zoo.ranges import SHARE, check_number


def flip(
    example: Example, rng: np.random.Generator, *, probability: float = 0.5, vertical: float = 0.0
) -> Example:
    """Mirror an image left to right, or upside down, sometimes.

    Leave it out where left and right are classes of their own.

    Args:
        example: pixels and boxes.
        rng: where chance comes from.
        probability: how often left and right change places.
        vertical: how often top and bottom do.
    """
    check_number("vertical", vertical, SHARE)
    height, width = example.size
    if rng.random() < probability:
        example = example.warp(shift(width, 0) @ scale(-1, 1), (height, width), fill=example.fill)
    if vertical and rng.random() < vertical:
        example = example.warp(shift(0, height) @ scale(1, -1), (height, width), fill=example.fill)
    return example
