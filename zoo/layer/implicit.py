"""Trained constants as a feature map."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class Implicit(keras.layers.Layer):
    """A map that no input influences [representation_layer.c:forward_implicit_layer].

    Args:
        filters: channels of the map.
        atoms: its height; the width is 1.
        mean: of the fresh weights, uniform in mean ± spread.
        spread: see `mean`.
    """

    def __init__(
        self,
        filters: int,
        *,
        atoms: int = 1,
        mean: float = 0.0,
        spread: float = 0.2,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.settings = dict(filters=filters, atoms=atoms, mean=mean, spread=spread)

    def build(self, input_shape: tuple) -> None:
        """Create the weights; the input gives no more than the batch."""
        mean, spread = self.settings["mean"], abs(self.settings["spread"])
        self.weight = self.add_weight(
            shape=(self.settings["filters"], self.settings["atoms"]),
            initializer=keras.initializers.RandomUniform(mean - spread, mean + spread),
            name="weight",
        )
        self.built = True

    def call(self, features: Any) -> Any:
        """(batch, …) → (batch, atoms, 1, filters)."""
        constant = ops.transpose(ops.convert_to_tensor(self.weight))[None, :, None, :]
        batch = ops.shape(features)[0]
        return ops.broadcast_to(constant, (batch, *constant.shape[1:]))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """(batch, atoms, 1, filters)."""
        return (input_shape[0], self.settings["atoms"], 1, self.settings["filters"])

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this layer again."""
        return {**super().get_config(), **self.settings}
