"""Blocks of pixels as channels, Darknet's [reorg3d] and [reorg]."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class _Reorg(keras.layers.Layer):
    def __init__(self, stride: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.stride = stride

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Sides divided by the stride, channels times its square."""
        batch, height, width, channels = input_shape
        sides = (None if side is None else side // self.stride for side in (height, width))
        return (batch, *sides, channels * self.stride**2)

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this layer again."""
        return {**super().get_config(), "stride": self.stride}


@keras.saving.register_keras_serializable("zoo")
class Reorg(_Reorg):
    """Pixel (y, x) of each s×s block becomes channels (y·s + x)·C to (y·s + x + 1)·C − 1.

    [reorg_layer.c:forward_reorg_layer; blas.c:reorg_cpu]

    Args:
        stride: side of the block, s.
    """

    def call(self, features: Any) -> Any:
        """(batch, h, w, C) → (batch, h/s, w/s, s²·C)."""
        s, channels = self.stride, features.shape[-1]
        height, width = (side // s for side in ops.shape(features)[1:3])
        blocks = ops.reshape(features, (-1, height, s, width, s, channels))
        blocks = ops.transpose(blocks, (0, 1, 3, 2, 4, 5))
        return ops.reshape(blocks, (-1, height, width, s * s * channels))


@keras.saving.register_keras_serializable("zoo")
class ReorgOld(_Reorg):
    """Darknet's first reorg, which takes its input for (C/s², s·h, s·w) [reorg_old_layer.c].

    The numbers of a map, channels first, are read as one of C/s² channels and s times the sides;
    of that, the pixels of each s×s block become channels; and the numbers that result are read as
    a map of s²·C channels.

    Args:
        stride: side of the block, s.
    """

    def call(self, features: Any) -> Any:
        """(batch, h, w, C) → (batch, h/s, w/s, s²·C)."""
        s, channels = self.stride, features.shape[-1]
        height, width = ops.shape(features)[1:3]
        x = ops.transpose(features, (0, 3, 1, 2))
        x = ops.reshape(x, (-1, channels // s**2, height, s, width, s))
        x = ops.transpose(x, (0, 3, 5, 1, 2, 4))
        x = ops.reshape(x, (-1, channels * s**2, height // s, width // s))
        return ops.transpose(x, (0, 2, 3, 1))
