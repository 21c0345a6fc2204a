"""Mirroring left and right."""

from __future__ import annotations

import numpy as np


def flip(
    image: np.ndarray, boxes_xyxy: np.ndarray, rng: np.random.Generator, *, probability: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Mirror an image left to right, sometimes.

    Args:
        image: uint8 (h, w, 3).
        boxes_xyxy: float32 (n, 4), pixels of `image`.
        rng: where chance comes from; one number is drawn.
        probability: how often.
    """
    if rng.random() >= probability:
        return image, boxes_xyxy
    mirrored = boxes_xyxy.copy()
    mirrored[:, [0, 2]] = image.shape[1] - boxes_xyxy[:, [2, 0]]
    return np.ascontiguousarray(image[:, ::-1]), mirrored
