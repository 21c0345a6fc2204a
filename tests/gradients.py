"""The value of a function of predictions and its gradient, on whichever backend runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

Arrays = dict[str, np.ndarray]


def value_and_gradient(
    function: Callable[[dict[str, Any]], Any], arrays: Mapping[str, np.ndarray]
) -> tuple[float, Arrays]:
    """A scalar `function` of named tensors at `arrays`, and its derivative by each of them."""
    tensors = {name: keras.ops.convert_to_tensor(array) for name, array in arrays.items()}
    value, gradients = _BACKENDS[keras.backend.backend()](function, tensors)
    to_numpy = keras.ops.convert_to_numpy
    return float(to_numpy(value)), {name: to_numpy(g) for name, g in gradients.items()}


def _tensorflow(function: Callable, tensors: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(tensors)
    return value, tape.gradient(value, tensors)


def _jax(function: Callable, tensors: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    import jax

    return jax.value_and_grad(function)(tensors)


def _torch(function: Callable, tensors: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    import torch

    for tensor in tensors.values():
        tensor.requires_grad_(True)
    value = function(tensors)
    gradients = torch.autograd.grad(value, list(tensors.values()))
    return value.detach(), dict(zip(tensors, gradients, strict=True))


_BACKENDS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
