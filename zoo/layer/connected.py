"""Darknet's fully connected layer."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from zoo.layer.normalization import BatchNormalization
from zoo.ops.policy import policy
from zoo.registry import LAYERS


@keras.saving.register_keras_serializable("zoo")
class Connected(keras.layers.Layer):
    """Dense layer over a flattened map → batch normalisation (or bias) → activation.

    The map is flattened channels first, as Darknet stores it [connected_layer.c].

    Args:
        units: outputs.
        activation: name of a registered layer.
        normalize: batch normalisation; without it there is a bias.
    """

    def __init__(
        self, units: int, *, activation: str = "sigmoid", normalize: bool = False, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.settings = dict(units=units, activation=activation, normalize=normalize)
        # U(−1, 1)·√(2 / inputs) [connected_layer.c:make_connected_layer]
        initializer = keras.initializers.VarianceScaling(2 / 3, "fan_in", "uniform")
        with policy(self.dtype_policy):
            self.dense = keras.layers.Dense(
                units, use_bias=not normalize, kernel_initializer=initializer, name="dense"
            )
            self.normalization = BatchNormalization(name="normalization") if normalize else None
            self.activation = LAYERS[activation]()
        for layer in self._flatten_layers(include_self=False):  # Keras tells them of changes alone
            layer.trainable = kwargs.get("trainable", True)

    def build(self, input_shape: tuple) -> None:
        """Create the variables for (batch, height, width, channels), all but the batch known.

        Raises:
            ValueError: a side is open.
        """
        if None in input_shape[1:]:
            raise ValueError(f"a connected layer needs a fixed input, not {input_shape}")
        self.dense.build((input_shape[0], math.prod(input_shape[1:])))
        if self.normalization is not None:
            self.normalization.build((input_shape[0], self.settings["units"]))
        self.built = True

    def call(self, features: Any, training: bool | None = None) -> Any:
        """(batch, h, w, channels) → (batch, 1, 1, units)."""
        flat = ops.transpose(features, (0, 3, 1, 2))
        flat = ops.reshape(flat, (-1, math.prod(features.shape[1:])))
        flat = self.dense(flat)
        if self.normalization is not None:
            flat = self.normalization(flat, training=training)
        return self.activation(flat)[:, None, None, :]

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """(batch, 1, 1, units)."""
        return (input_shape[0], 1, 1, self.settings["units"])

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this layer again."""
        return {**super().get_config(), **self.settings}
