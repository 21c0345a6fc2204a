"""The learning rate of a batch."""

from __future__ import annotations

import keras


def rate_of(optimizer: keras.Optimizer, batch: int) -> float:
    """The learning rate that a batch was trained with, also while `fit` runs.

    A schedule does not count batches whose gradients overflow with `mixed_float16`, as a few do
    while the scale of the loss is found. Here they count: what is given then is the rate of so many
    batches later.

    Args:
        optimizer: of the model; one that scales the loss may be around it.
        batch: its number in the run, counted from 1.
    """
    rate = getattr(optimizer, "inner_optimizer", optimizer)._learning_rate
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        # `optimizer.learning_rate` is that of the batch to come, and on JAX is out of date.
        rate = rate(keras.ops.convert_to_tensor(batch - 1, "int32"))
    return float(keras.ops.convert_to_numpy(rate))
