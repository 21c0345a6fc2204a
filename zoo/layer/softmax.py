"""Softmax over groups of channels."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class GroupSoftmax(keras.layers.Layer):
    """Softmax of the channels of each group over a temperature [softmax_layer.c; blas.c:softmax].

    Args:
        groups: equal groups of channels.
        temperature: divides the logits.
    """

    def __init__(self, *, groups: int = 1, temperature: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.groups = groups
        self.temperature = temperature

    def call(self, logits: Any) -> Any:
        """(batch, h, w, channels) → probabilities of the same shape."""
        shape = (*ops.shape(logits)[:3], logits.shape[-1])
        grouped = ops.reshape(logits / self.temperature, (*shape[:3], self.groups, -1))
        powers = ops.exp(grouped - ops.max(grouped, axis=-1, keepdims=True))
        return ops.reshape(powers / ops.sum(powers, axis=-1, keepdims=True), shape)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """That of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this layer again."""
        settings = {"groups": self.groups, "temperature": self.temperature}
        return {**super().get_config(), **settings}
