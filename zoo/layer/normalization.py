"""Batch normalisation as Darknet and PyTorch train it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from zoo.ops.replicas import mean_over_replicas, replicas


@keras.saving.register_keras_serializable("zoo")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' layer, but its moving variance learns the unbiased variance of the batch.

    A batch is normalised by its biased variance; the moving one, which inference reads, learns
    n / (n − 1) times that, n being the numbers of a channel: cuDNN's rule, so Darknet's on a GPU
    [batchnorm_layer.c:forward_batchnorm_layer_gpu]. Keras learns the biased one, a quarter less
    where n is 4. Channels come last; there is no mask.

    The first batch that a fresh layer sees gives it its moving statistics whole. Darknet starts the
    variance at 0 and Keras at 1, of which 1.8 % are left after 400 updates of momentum 0.99: much
    to a layer whose features vary by 0.01, as a stem's do. After a thousand updates all agree.

    The batch is that of all devices that train together, on any backend and whatever
    `synchronized` says. Momentum and epsilon are Darknet's by default [batchnorm_layer.c].
    """

    def __init__(self, *, momentum: float = 0.99, epsilon: float = 1e-5, **kwargs: Any):
        super().__init__(momentum=momentum, epsilon=epsilon, **kwargs)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """(batch, …, channels) → the same shape."""
        if not (training and self.trainable):
            return super().call(inputs, training=False)
        if keras.backend.standardize_dtype(inputs.dtype) in ("float16", "bfloat16"):
            features = ops.cast(inputs, "float32")  # the sum of squares would overflow
            mean, variance = _moments_at_once(features, near=ops.cast(self.moving_mean, "float32"))
        else:
            features = inputs
            mean, variance = _moments(features)
        count = ops.cast(replicas() * (ops.size(features) // features.shape[-1]), features.dtype)
        unbiased = variance * count / ops.maximum(count - 1, 1)
        fresh = ops.all(ops.equal(self.moving_variance, 1.0))  # as Keras made it, to the bit
        dtype = self.variable_dtype
        momentum = ops.where(fresh, *(ops.convert_to_tensor(m, dtype) for m in (0, self.momentum)))
        for moving, of_batch in ((self.moving_mean, mean), (self.moving_variance, unbiased)):
            moving.assign(moving * momentum + ops.cast(of_batch, dtype) * (1 - momentum))
        normalized = ops.batch_normalization(
            features, mean, variance, axis=-1, offset=self.beta, scale=self.gamma,
            epsilon=self.epsilon,
        )  # fmt: skip
        return ops.cast(normalized, self.compute_dtype)


def _moments(features: Any) -> tuple[Any, Any]:
    """Mean and biased variance over all replicas; Keras' E(x²) − E(x)² would lose digits."""
    axes = _all_but_channels(features)
    if replicas() == 1:
        return ops.moments(features, axes=axes)
    mean = mean_over_replicas(ops.mean(features, axis=axes))
    return mean, mean_over_replicas(ops.mean(ops.square(features - mean), axis=axes))


def _moments_at_once(features: Any, near: Any) -> tuple[Any, Any]:
    """Mean and biased variance over all replicas from one look at the features.

    A GPU spends its time on such looks. E((x − c)²) − (E(x) − c)² with a c `near` the mean loses
    less than the rounding to half precision has: near the moving mean after the first batches.
    """
    axes, offset = _all_but_channels(features), features - near
    mean = mean_over_replicas(ops.mean(offset, axis=axes))
    square = mean_over_replicas(ops.mean(ops.square(offset), axis=axes))
    return mean + near, ops.maximum(square - ops.square(mean), 0)


def _all_but_channels(features: Any) -> list[int]:
    return list(range(len(features.shape) - 1))
