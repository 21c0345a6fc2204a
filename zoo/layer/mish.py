"""Mish, trained with one exponential and without keeping more than its input."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class Mish(keras.layers.Layer):
    """The input times tanh(softplus(input)) [activations.c:activate_array_mish].

    In training, and always on JAX, the hyperbolic tangent and the gradient come from one
    exponential of the input, in float32: automatic differentiation would keep four maps where one
    is enough, 16 GiB of a step of yolov4 at 512 in batches of 64. Otherwise it has Keras' form,
    which the runtimes of exported models recognise and fuse; it is TensorFlow that traces exports.
    """

    def call(self, features: Any, training: bool | None = None) -> Any:
        """A tensor → the same shape."""
        if training or keras.backend.backend() == "jax":
            return with_one_exponential(features)
        return keras.activations.mish(features)


def with_one_exponential(features: Any) -> Any:
    """Mish with the gradient of this module.

    tanh(ln(1 + eˣ)) = n / (n + 2) with n = eˣ(eˣ + 2), to the last digits on both sides of 0.
    """
    return ops.cast(_mish(ops.cast(features, "float32")), features.dtype)


@ops.custom_gradient
def _mish(x: Any) -> Any:
    def gradient(*upstreams: Any, upstream: Any = None) -> Any:
        upstream = upstreams[0] if upstream is None else upstream
        power, n = _powers(x)
        inverse = 1 / (n + 2)
        slope = 4 * power * (power + 1) * inverse * inverse  # of tanh(softplus(x))
        return upstream * (n * inverse + x * slope)

    _, n = _powers(x)
    return x * (n / (n + 2)), gradient


def _powers(x: Any) -> tuple[Any, Any]:
    """eˣ and eˣ(eˣ + 2); beyond 20, where tanh(softplus(x)) is 1 in float32, they stay finite."""
    power = ops.exp(ops.minimum(x, 20.0))
    return power, power * (power + 2)
