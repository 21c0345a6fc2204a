"""Batches as `keras.Model.fit` can take them."""

from __future__ import annotations

from typing import Any

import keras

from zoo.data.loader import THREADS, training_batches
from zoo.data.training import TrainingSamples


def fit_batches(samples: TrainingSamples, *, start: int = 0, num_threads: int = THREADS) -> Any:
    """Batches of training samples for `fit`, without end, from batch `start` on.

    Keras takes the Grain dataset of `training_batches` as it is, on any backend. Only where inputs
    have several sizes, on TensorFlow, would it fix all to the size of the first two batches.
    """
    batches = training_batches(samples, start=start, num_threads=num_threads)
    if keras.backend.backend() != "tensorflow" or len(samples.sizes) == 1:
        return batches
    import tensorflow as tf

    rows, number = samples.max_boxes, samples.batch_size
    signature = (
        tf.TensorSpec((number, None, None, 3), tf.float32),
        {
            "boxes": tf.TensorSpec((number, rows, 4), tf.float32),
            "classes": tf.TensorSpec((number, rows), tf.int32),
        },
    )
    return tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)
