"""Darknet's convolution: zero padding on every side, batch normalisation, activation."""

from __future__ import annotations

import itertools
from typing import Any

import keras

from zoo.layer.normalization import BatchNormalization
from zoo.registry import LAYERS

_rank = itertools.count()


@keras.saving.register_keras_serializable("zoo")
class ConvBN(keras.layers.Layer):
    """Convolution → batch normalisation (or bias) → activation.

    Strided convolutions pad `size // 2` on every side; Keras' `same` would pad the bottom and the
    right only and shift the features. Batch normalisation divides by √(variance + 1e-5)
    [convolutional_layer.c:forward_convolutional_layer, blas.c:normalize_cpu].

    Args:
        filters: output channels.
        size: side of the square kernel, odd.
        stride: step in both directions.
        activation: name of a registered layer.
        normalize: batch normalisation; without it the convolution has a bias.
        groups: groups of channels, each with kernels of its own.

    `created` ranks the layers of a process by creation: the order in which a part's code lists
    its convolutions, which is the order of a Darknet weights file.
    """

    def __init__(
        self,
        filters: int,
        size: int = 3,
        *,
        stride: int = 1,
        activation: str = "leaky_relu",
        normalize: bool = True,
        groups: int = 1,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.created = next(_rank)
        self.settings = dict(
            filters=filters,
            size=size,
            stride=stride,
            activation=activation,
            normalize=normalize,
            groups=groups,
        )
        self.padding = keras.layers.ZeroPadding2D(size // 2) if stride > 1 else None
        self.convolution = keras.layers.Conv2D(
            filters,
            size,
            strides=stride,
            groups=groups,
            padding="valid" if stride > 1 else "same",
            use_bias=not normalize,
            # U(−1, 1)·√(2 / fan_in) [convolutional_layer.c:make_convolutional_layer]
            kernel_initializer=keras.initializers.VarianceScaling(2 / 3, "fan_in", "uniform"),
            data_format="channels_last",
            name="convolution",
        )
        self.normalization = (
            BatchNormalization(momentum=0.99, epsilon=1e-5, name="normalization")
            if normalize
            else None
        )
        self.activation = LAYERS[activation]()

    def build(self, input_shape: tuple) -> None:
        """Create the variables for (batch, height, width, channels)."""
        self.convolution.build(input_shape)
        if self.normalization is not None:
            self.normalization.build((*input_shape[:-1], self.settings["filters"]))
        self.built = True

    def call(self, features: Any, training: bool | None = None) -> Any:
        """(batch, h, w, channels) → (batch, ⌈h / stride⌉, ⌈w / stride⌉, filters)."""
        if self.padding is not None:
            features = self.padding(features)
        features = self.convolution(features)
        if self.normalization is not None:
            features = self.normalization(features, training=training)
        return self.activation(features)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Shape of the result; sides that are not known stay None."""
        stride = self.settings["stride"]
        sides = (None if side is None else -(-side // stride) for side in input_shape[1:3])
        return (input_shape[0], *sides, self.settings["filters"])

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this layer again."""
        return {**super().get_config(), **self.settings}


def conv(features: Any, filters: int, size: int, **options: Any) -> Any:
    """Apply a new `ConvBN(filters, size, **options)` to `features`."""
    return ConvBN(filters, size, **options)(features)
