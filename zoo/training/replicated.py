"""Optimizers on several devices of TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras.src.optimizers.base_optimizer import BaseOptimizer

from zoo.ops.replicas import sum_over_replicas


def sum_gradients_first(optimizer: keras.Optimizer) -> None:
    """Let an optimizer sum the gradients of all replicas, and each replica make the update itself.

    All replicas make the same update then, to the bit. Keras sums within the update instead: after
    clipping, so that each replica would clip its own gradients, and within the branch that
    `gradient_accumulation_steps` takes at every n-th call, where TensorFlow cannot sum.

    Args:
        optimizer: without loss scaling, made in the scope of a `tf.distribute` strategy.
    """
    apply: Callable[..., Any] = optimizer.apply

    def summed(grads: Any, trainable_variables: Any = None) -> Any:
        return apply(sum_over_replicas(list(grads)), trainable_variables)

    optimizer.apply = summed
    for name in (
        "_apply_weight_decay",
        "_backend_update_step",
        "_backend_increment_gradient_accumulators",
    ):
        # As on the other backends, and on one device of TensorFlow.
        setattr(optimizer, name, getattr(BaseOptimizer, name).__get__(optimizer))
