"""XLA for one function, on whichever backend runs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras


def xla(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of tensors, compiled with XLA on TensorFlow and JAX, as it is on PyTorch.

    On a CPU, XLA slows convolutions but speeds up loss and non-maximum suppression: these are
    wrapped, and the graph around them is left to the backend.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return functools.wraps(function)(tf.function(function, jit_compile=True, autograph=False))
    if backend == "jax":
        import jax

        return functools.wraps(function)(jax.jit(function))
    return function
