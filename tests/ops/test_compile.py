"""Compiled functions amid the graph of a backend."""

from __future__ import annotations

import keras
import numpy as np

from zoo.ops.compile import xla


def test_biases_of_two_heads_get_their_own_gradients():
    """TensorFlow's graph optimizer swaps them if one node computes what both sum up."""
    images = keras.Input((4, 4, 3))
    heads = [keras.layers.Conv2D(5, 1, name=f"head{k}")(images) for k in range(2)]

    class TwoHeads(keras.Model):
        loss_of = staticmethod(xla(lambda outputs: 1.0 * outputs[0] + 3.0 * outputs[1]))

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.sum(self.loss_of(list(y_pred)))

    model = TwoHeads(images, heads)
    before = [keras.ops.convert_to_numpy(model.get_layer(f"head{k}").bias) for k in range(2)]
    model.compile(optimizer=keras.optimizers.SGD(1.0), jit_compile=False)
    model.train_on_batch(np.zeros((2, 4, 4, 3), "float32"), np.zeros(2))
    # Each bias moves by minus the number of cells, 2·4·4, times the weight of its head.
    for k, weight in enumerate((1.0, 3.0)):
        after = keras.ops.convert_to_numpy(model.get_layer(f"head{k}").bias)
        np.testing.assert_allclose(after - before[k], -32 * weight, rtol=1e-5)
