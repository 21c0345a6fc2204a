"""Darknet's anti-aliasing: a fixed blur that takes the strides of the layer before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.layer.pooling import with_sides

#: By Darknet's `antialiasing`: the kernel and the padding on every side.
KERNELS = {
    1: (np.outer([1, 2, 1], [1, 2, 1]) / 16, 1),
    2: (np.full((2, 2), 1 / 4), 0),
}


def blurred(shape: tuple[int, ...], strides: Sequence[int], kind: int) -> tuple[int, ...]:
    """(height, width, channels) after a blur of a kind, 0 for none."""
    if not kind:
        return shape
    kernel, padding = KERNELS.get(kind, KERNELS[1])
    size = len(kernel)
    sides = [
        (side + 2 * padding - size) // step + 1
        for side, step in zip(shape[:2], strides, strict=True)
    ]
    return (*sides, shape[2])


@keras.saving.register_keras_serializable("zoo")
class Blur(keras.layers.Layer):
    """Each channel blurred, then every `strides`-th pixel [convolutional_layer.c:blur_size].

    Args:
        strides: steps down and across.
        kind: 2 for the mean of 2×2 pixels without padding, else [1 2 1]ᵀ[1 2 1]/16, zero padded.
    """

    def __init__(self, strides: Sequence[int], kind: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        self.strides = tuple(strides)
        self.kind = kind
        self._kernel, self._padding = KERNELS.get(kind, KERNELS[1])

    def call(self, features: Any) -> Any:
        """(batch, h, w, channels) → (batch, h', w', channels)."""
        pad = (self._padding, self._padding)
        features = ops.pad(features, ((0, 0), pad, pad, (0, 0)))
        height, width = self.strides
        total = 0.0
        rows, columns = ops.shape(features)[1:3]
        size = len(self._kernel)
        for y in range(size):
            for x in range(size):
                shifted = features[:, y : rows - size + 1 + y, x : columns - size + 1 + x]
                total = total + float(self._kernel[y, x]) * shifted[:, ::height, ::width]
        return total

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Sides that are not known stay None."""
        kind, channels = self.kind or 1, input_shape[3]
        return with_sides(
            input_shape, lambda sides: blurred((*sides, channels), self.strides, kind)[:2]
        )

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this layer again."""
        return {**super().get_config(), "strides": list(self.strides), "kind": self.kind}
