"""Pooling with Darknet's geometry: padding is a total, its smaller half on the left and the top."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops


def pooled(
    sides: Sequence[int], size: int, strides: Sequence[int], padding: int
) -> tuple[int, int]:
    """Height and width after pooling [maxpool_layer.c:make_maxpool_layer]."""
    height, width = (
        (side + padding - size) // step + 1 for side, step in zip(sides, strides, strict=True)
    )
    return height, width


def with_sides(shape: tuple, change: Callable[[list[int]], Sequence[int]]) -> tuple:
    """(batch, height, width, channels) with other sides, where they are known, else None."""
    sides = change([side or 0 for side in shape[1:3]])
    known = (new if old else None for new, old in zip(sides, shape[1:3], strict=True))
    return (shape[0], *known, shape[3])


class _Pool(keras.layers.Layer):
    """What the layers of this module share: a window, strides and padding."""

    def __init__(
        self,
        size: int,
        *,
        strides: Sequence[int] = (1, 1),
        padding: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.size = size
        self.strides = tuple(strides)
        self.padding = size - 1 if padding is None else padding

    def pad(self, features: Any, value: float) -> Any:
        """`padding` rows and columns of `value`, the odd one at the bottom and the right."""
        if not self.padding:
            return features
        sides = (self.padding // 2, self.padding - self.padding // 2)
        return ops.pad(features, ((0, 0), sides, sides, (0, 0)), constant_values=value)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Sides that are not known stay None."""
        return with_sides(
            input_shape, lambda sides: pooled(sides, self.size, self.strides, self.padding)
        )

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this layer again."""
        window = {"size": self.size, "strides": list(self.strides), "padding": self.padding}
        return {**super().get_config(), **window}


@keras.saving.register_keras_serializable("zoo")
class MaxPool(_Pool):
    """Largest value of each window, −∞ outside the map [maxpool_layer.c:forward_maxpool_layer].

    Args:
        size: side of the window.
        strides: steps down and across.
        padding: rows and columns added in total; `size` − 1 by default.
    """

    def call(self, features: Any) -> Any:
        """(batch, h, w, channels) → (batch, ⌊(h + padding − size)/stride⌋ + 1, …, channels)."""
        features = self.pad(features, float("-inf"))
        return ops.max_pool(
            features, self.size, self.strides, padding="valid", data_format="channels_last"
        )


@keras.saving.register_keras_serializable("zoo")
class SeparableMaxPool(MaxPool):
    """`MaxPool` of stride 1 that keeps the size of the map, across and then down.

    2·size comparisons instead of size², and the same to the last bit. The gradient goes where it
    goes in one window, to the first of equals from the left in the first such row from the top.

    Args:
        size: side of the window.
    """

    def __init__(self, size: int, **kwargs: Any):
        super().__init__(size, strides=(1, 1), padding=size - 1, **kwargs)

    def call(self, features: Any) -> Any:
        """(batch, h, w, channels) → the same shape."""
        for window in ((1, self.size), (self.size, 1)):
            features = ops.max_pool(
                features, window, (1, 1), padding="same", data_format="channels_last"
            )
        return features

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this layer again."""
        config = super().get_config()
        return {key: value for key, value in config.items() if key not in ("strides", "padding")}


@keras.saving.register_keras_serializable("zoo")
class AveragePool(_Pool):
    """Mean of what each window has inside the map [maxpool_layer.c:forward_local_avgpool_layer].

    Arguments as `MaxPool`.
    """

    def call(self, features: Any) -> Any:
        """(batch, h, w, channels) → (batch, h', w', channels)."""
        ones = ops.ones_like(features[:1, :, :, :1])
        return self._mean(features) / self._mean(ones)

    def _mean(self, features: Any) -> Any:
        return ops.average_pool(
            self.pad(features, 0.0),
            self.size,
            self.strides,
            padding="valid",
            data_format="channels_last",
        )


@keras.saving.register_keras_serializable("zoo")
class SumPool(keras.layers.Layer):
    """Sum of each s×s block, Darknet's upsampling by −s [upsample_layer.c].

    Args:
        stride: side of the block, s.
    """

    def __init__(self, stride: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.stride = stride

    def call(self, features: Any) -> Any:
        """(batch, h, w, channels) → (batch, h/s, w/s, channels)."""
        mean = ops.average_pool(
            features, self.stride, self.stride, padding="valid", data_format="channels_last"
        )
        return mean * self.stride**2

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this layer again."""
        return {**super().get_config(), "stride": self.stride}
