"""Keeping layers in a model whose outputs nothing needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable("zoo")
class First(keras.layers.Layer):
    """The first of several tensors; what computes the others stays part of the model."""

    def call(self, tensors: Sequence[Any]) -> Any:
        """Any tensors → the first."""
        return tensors[0]

    def compute_output_shape(self, input_shape: Sequence[tuple]) -> tuple:
        """That of the first."""
        return tuple(input_shape[0])
