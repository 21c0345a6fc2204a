"""Areas of boxes in NumPy, for transforms."""

from __future__ import annotations

from typing import Any

import numpy as np


def covered(boxes_xyxy: np.ndarray, by_xyxy: Any) -> np.ndarray:
    """Share of the area of each box (n, 4) that one box covers, (n,)."""
    by = np.asarray(by_xyxy, np.float32)
    low = np.maximum(boxes_xyxy[:, :2], by[:2])
    high = np.minimum(boxes_xyxy[:, 2:], by[2:])
    sides = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    return np.maximum(high - low, 0).prod(axis=1) / np.maximum(sides.prod(axis=1), 1e-9)


def pixels(box_xyxy: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The whole pixels that a box touches, inside the image."""
    left, top = np.floor(box_xyxy[:2]).astype(int)
    right, bottom = np.ceil(box_xyxy[2:]).astype(int)
    return max(0, left), max(0, top), min(size[1], right), min(size[0], bottom)
