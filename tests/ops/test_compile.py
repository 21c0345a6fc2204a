"""Compiled functions amid the graph of a backend."""

from __future__ import annotations

import keras
import numpy as np

from zoo.ops.compile import xla

WEIGHTS = (1.0, 3.0, 5.0)


@xla
def weighted_squares(outputs):
    terms = zip(WEIGHTS, outputs, strict=True)
    return sum(weight * keras.ops.sum(keras.ops.square(o + 1)) for weight, o in terms)


class Heads(keras.Model):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return weighted_squares(list(y_pred))


def test_each_head_gets_the_gradient_of_its_own_bias():
    """TensorFlow's graph optimizer swaps them where one node computes what two of them sum up."""
    images = keras.Input((8, 8, 3))
    layers = [keras.layers.Conv2D(5, 1, name=f"head{k}") for k in range(3)]
    model = Heads(images, [layer(images) for layer in layers])
    model.compile(optimizer=keras.optimizers.SGD(1e-3), jit_compile=False)
    model.train_on_batch(np.zeros((2, 8, 8, 3), "float32"), np.zeros(2))
    # Of black images the outputs are the biases, 0: each of 2·8·8 cells has a slope of 2·weight.
    for layer, weight in zip(layers, WEIGHTS, strict=True):
        bias = keras.ops.convert_to_numpy(layer.bias)
        np.testing.assert_allclose(bias, -1e-3 * 128 * 2 * weight, rtol=1e-5)
