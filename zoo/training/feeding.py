"""Batches as `keras.Model.fit` can take them."""

from __future__ import annotations

from typing import Any

import keras

from zoo.data.loader import THREADS, training_batches
from zoo.data.training import TrainingSamples
from zoo.training.devices import Devices
from zoo.training.waiting import Timed, Waits


def fit_batches(
    samples: TrainingSamples,
    *,
    start: int = 0,
    num_threads: int = THREADS,
    devices: Devices | None = None,
    waits: Waits | None = None,
) -> Any:
    """Batches of training samples for `fit`, without end, from batch `start` on.

    Keras takes the Grain dataset of `training_batches` as it is, on any backend, and shares it out
    among the devices of JAX. On TensorFlow it would fix inputs of several sizes to that of the
    first two batches, and several devices want their parts one by one. `waits` tells how long `fit`
    waited for them.
    """
    devices = devices or Devices()
    parts = devices.count if devices.strategy else 1
    batches = training_batches(
        samples,
        start=start,
        num_threads=num_threads,
        process=devices.process,
        processes=devices.processes,
        parts=parts,
    )
    if waits is not None:
        batches = Timed(batches, waits)
    if devices.strategy:
        data = _tensorflow(samples, batches, samples.batch_size // devices.count)
        return devices.strategy.distribute_datasets_from_function(lambda context: data)
    if keras.backend.backend() == "tensorflow" and len(samples.sizes) > 1:
        return _tensorflow(samples, batches, samples.batch_size)
    return batches


def _tensorflow(samples: TrainingSamples, batches: Any, number: int) -> Any:
    """Batches of `number` images as a `tf.data.Dataset`."""
    import tensorflow as tf

    rows = samples.max_boxes
    sides = samples.sizes[0] if len(samples.sizes) == 1 else (None, None)
    signature = (
        tf.TensorSpec((number, *sides, 3), samples.dtype),
        {
            "boxes": tf.TensorSpec((number, rows, 4), tf.float32),
            "classes": tf.TensorSpec((number, rows), tf.int32),
        },
    )
    return tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)
