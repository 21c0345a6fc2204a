"""Attention layers by name."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from zoo.layer.convolution import ConvBN


@keras.saving.register_keras_serializable("zoo")
class PointwiseAttention(keras.layers.Layer):
    """The modified spatial attention of YOLOv4 [yolov4, §3.3, figure 5; sam_layer.c].

    Every value of the features is multiplied by a gate of its own in (0, 1): a 1×1 convolution of
    the features with as many channels, batch normalisation and a sigmoid.
    """

    def build(self, input_shape: tuple) -> None:
        """Create the gate for (batch, height, width, channels)."""
        self.gate = ConvBN(
            input_shape[-1], 1, activation="sigmoid", name=f"{self.name}_gate",
            dtype=self.dtype_policy, trainable=self.trainable,
        )  # fmt: skip
        self.gate.build(input_shape)
        self.built = True

    def call(self, features: Any, training: bool | None = None) -> Any:
        """(batch, h, w, channels), the same shape out."""
        return features * ops.cast(self.gate(features, training=training), features.dtype)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """The input's."""
        return input_shape
