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
        return _tensorflow(function)
    if backend == "jax":
        import jax

        return functools.wraps(function)(jax.jit(function))
    return function


def _tensorflow(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` compiled, each gradient by its tensors a node of its own in the graph.

    A compiled function is one node, with an output for each gradient. TensorFlow 2.21 on a CPU
    (grappler's remapper) takes the gradients of two biases for one another if the gradients that
    both sum up leave the same node: the heads of two levels swapped their updates.
    """
    import tensorflow as tf

    compiled = tf.function(function, jit_compile=True, autograph=False)

    @tf.custom_gradient
    def apart(tensor: Any) -> Any:
        # A copy that no optimisation takes away, as it does an identity.
        return tf.identity(tensor), lambda gradient: tf.raw_ops.Snapshot(input=gradient)

    def separate(argument: Any) -> Any:
        floating = tf.is_tensor(argument) and argument.dtype.is_floating
        return apart(argument) if floating else argument

    @tf.autograph.experimental.do_not_convert
    def run(*arguments: Any) -> Any:
        if tf.executing_eagerly():  # there is no graph to take them for one another
            return compiled(*arguments)
        return compiled(*tf.nest.map_structure(separate, arguments))

    return run


def accelerated() -> bool:
    """Whether the backend computes on something other than a CPU."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU") + tf.config.list_physical_devices("TPU"))
    if backend == "jax":
        import jax

        return bool(jax.default_backend() != "cpu")
    import torch

    return bool(torch.cuda.is_available())
