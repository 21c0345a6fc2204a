"""The parts of a loss and the gradient of their sum, on whichever backend runs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

Arrays = dict[str, np.ndarray]
Loss = Callable[[Arrays, dict[str, Any]], dict[str, Any]]

#: What runs a new case sooner: TensorFlow op by op, JAX compiled.
JIT = keras.backend.backend() == "jax"


def parts_and_gradients(
    loss: Loss, truth: Arrays, predictions: Arrays, *, jit: bool = JIT
) -> tuple[Arrays, Arrays]:
    """The parts `loss(truth, predictions)` and the gradient of their sum by each prediction."""
    tensors = {name: keras.ops.convert_to_tensor(array) for name, array in predictions.items()}
    results = _BACKENDS[keras.backend.backend()](loss, jit)(truth, tensors)
    parts, gradients = (
        {name: keras.ops.convert_to_numpy(tensor) for name, tensor in result.items()}
        for result in results
    )
    return parts, gradients


def _total(parts: dict[str, Any]) -> Any:
    return keras.ops.sum(sum(parts.values()))


@functools.cache
def _tensorflow(loss: Loss, jit: bool) -> Callable:
    import tensorflow as tf

    def run(truth: Arrays, predictions: dict[str, Any]) -> tuple:
        with tf.GradientTape() as tape:
            tape.watch(predictions)
            parts = loss(truth, predictions)
            total = _total(parts)
        return parts, tape.gradient(total, predictions)

    return tf.function(run, jit_compile=True) if jit else run


@functools.cache
def _jax(loss: Loss, jit: bool) -> Callable:
    import jax

    def total_and_parts(predictions: dict[str, Any], truth: Arrays) -> tuple:
        parts = loss(truth, predictions)
        return _total(parts), parts

    gradient = jax.grad(total_and_parts, has_aux=True)
    gradient = jax.jit(gradient) if jit else gradient
    return lambda truth, predictions: gradient(predictions, truth)[::-1]


def _torch(loss: Loss, jit: bool) -> Callable:
    import torch

    def run(truth: Arrays, predictions: dict[str, Any]) -> tuple:
        for tensor in predictions.values():
            tensor.requires_grad_(True)
        parts = loss(truth, predictions)
        gradients = torch.autograd.grad(_total(parts), list(predictions.values()))
        return parts, dict(zip(predictions, gradients, strict=True))

    return run


_BACKENDS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
