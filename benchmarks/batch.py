"""What all training steps train on."""

from __future__ import annotations

import numpy as np


def batch_of(batch, size, *, num_classes=80, rows=100, most=40, seed=0):
    """Noise and boxes: images (batch, size, size, 3) in [0, 1], and padded truth as the loss reads.

    A picture has 1 to `most` boxes, 20 on average by default: what a mosaic of four of COCO's
    pictures, of 7.3 boxes each, leaves. `rows` are padded to, as in training.
    """
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, num_classes, (batch, rows), "int32")
    centre = rng.uniform(0.05, 0.95, (batch, rows, 2))
    extent = np.exp(rng.uniform(np.log(0.02), np.log(0.8), (batch, rows, 2)))
    corners = [np.clip(centre - extent / 2, 0, 1), np.clip(centre + extent / 2, 0, 1)]
    padding = np.arange(rows) >= rng.integers(1, min(most, rows) + 1, (batch, 1))
    boxes = np.where(padding[..., None], 0, size * np.concatenate(corners, axis=-1))
    truth = {"boxes": boxes.astype("float32"), "classes": np.where(padding, -1, classes)}
    return rng.random((batch, size, size, 3), "float32"), truth
