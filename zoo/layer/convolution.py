"""Darknet's convolution: zero padding on every side, batch normalisation, activation."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import keras

from zoo.layer.normalization import BatchNormalization
from zoo.ops.policy import policy
from zoo.registry import LAYERS

_rank = itertools.count()
_folded: ContextVar[bool] = ContextVar("folded", default=False)


@contextlib.contextmanager
def folded() -> Iterator[None]:
    """Convolutions made in this block have a bias where they would have batch normalisation."""
    token = _folded.set(True)
    try:
        yield
    finally:
        _folded.reset(token)


@keras.saving.register_keras_serializable("zoo")
class ConvBN(keras.layers.Layer):
    """Convolution → batch normalisation (or bias) → activation.

    Every side is padded alike; Keras' `same` would pad a strided convolution at the bottom and the
    right only and shift the features. Batch normalisation divides by √(variance + 1e-5)
    [convolutional_layer.c:forward_convolutional_layer, blas.c:normalize_cpu].

    Args:
        filters: output channels.
        size: side of the square kernel.
        stride: step in both directions, or steps down and across.
        activation: name of a registered layer.
        normalize: batch normalisation; without it the convolution has a bias.
        groups: groups of channels, each with kernels of its own.
        padding: zeros on every side, times `dilation`; by default `size // 2`.
        dilation: distance of the pixels that neighbouring weights of a kernel see.

    `created` ranks the layers of a process by creation: the order in which a part's code lists
    its convolutions, which is the order of a Darknet weights file.
    """

    def __init__(
        self,
        filters: int,
        size: int = 3,
        *,
        stride: int | Sequence[int] = 1,
        activation: str = "leaky_relu",
        normalize: bool = True,
        groups: int = 1,
        padding: int | None = None,
        dilation: int = 1,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.created = next(_rank)
        normalize = normalize and not _folded.get()
        self.settings: dict[str, Any] = dict(
            filters=filters,
            size=size,
            stride=stride,
            activation=activation,
            normalize=normalize,
            groups=groups,
            padding=padding,
            dilation=dilation,
        )
        self.strides = (stride, stride) if isinstance(stride, int) else tuple(stride)
        self.margin = (size // 2 if padding is None else padding) * dilation
        # An undilated stride alone: neither TensorFlow nor JAX has both.
        self.subsample = dilation > 1 and self.strides != (1, 1)
        same = self.strides == (1, 1) and 2 * self.margin == dilation * (size - 1)
        pads = self.margin > 0 and not same
        # As this layer's own, which `dtype` may have made another than the global one.
        with policy(self.dtype_policy):
            self.padding = (
                keras.layers.ZeroPadding2D(self.margin, data_format="channels_last")
                if pads
                else None
            )
            self.convolution = keras.layers.Conv2D(
                filters,
                size,
                strides=(1, 1) if self.subsample else self.strides,
                dilation_rate=dilation,
                groups=groups,
                padding="same" if same else "valid",
                use_bias=not normalize,
                # U(−1, 1)·√(2 / fan_in) [convolutional_layer.c:make_convolutional_layer]
                kernel_initializer=keras.initializers.VarianceScaling(2 / 3, "fan_in", "uniform"),
                data_format="channels_last",
                name="convolution",
            )
            self.normalization = BatchNormalization(name="normalization") if normalize else None
            self.activation = LAYERS[activation]()
        for layer in self._flatten_layers(include_self=False):  # Keras tells them of changes alone
            layer.trainable = kwargs.get("trainable", True)

    def build(self, input_shape: tuple) -> None:
        """Create the variables for (batch, height, width, channels)."""
        # Of any sides, as those here are without padding, which may be less than the kernel's.
        self.convolution.build((None, None, None, input_shape[-1]))
        if self.normalization is not None:
            self.normalization.build((*input_shape[:-1], self.settings["filters"]))
        if isinstance(self.activation, keras.Layer) and not self.activation.built:
            # It may have weights.
            self.activation.build(self.compute_output_shape(input_shape))
        self.built = True

    def call(self, features: Any, training: bool | None = None) -> Any:
        """(batch, h, w, channels) → (batch, h', w', filters).

        With the default padding of an odd kernel h' = ⌈h / stride⌉; in general
        h' = ⌊(h + 2·padding·dilation − dilation·(size − 1) − 1) / stride⌋ + 1.
        """
        if self.padding is not None:
            features = self.padding(features)
        features = self.convolution(features)
        if self.subsample:
            features = features[:, :: self.strides[0], :: self.strides[1]]
        if self.normalization is not None:
            features = self.normalization(features, training=training)
        return self.activation(features)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Shape of the result; sides that are not known stay None."""
        extent = self.settings["dilation"] * (self.settings["size"] - 1) + 1
        sides = (
            None if side is None else (side + 2 * self.margin - extent) // stride + 1
            for side, stride in zip(input_shape[1:3], self.strides, strict=True)
        )
        return (input_shape[0], *sides, self.settings["filters"])

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this layer again."""
        return {**super().get_config(), **self.settings}


def conv(features: Any, filters: int, size: int, **options: Any) -> Any:
    """Apply a new `ConvBN(filters, size, **options)` to `features`."""
    return ConvBN(filters, size, **options)(features)
