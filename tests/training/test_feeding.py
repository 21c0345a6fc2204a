"""Inputs of several sizes in one `fit`."""

import keras

from zoo.data.sources.shapes import Shapes
from zoo.data.training import TrainingSamples
from zoo.training.feeding import fit_batches


def test_a_model_is_traced_at_most_once_for_each_size():
    shapes = Shapes(split="train", images=24, size=(64, 80))
    traced = []

    class Mean(keras.Model):
        def __init__(self):
            super().__init__()
            self.weight = self.add_weight(shape=(), initializer="zeros")

        def call(self, x):
            traced.append(tuple(x.shape))
            return keras.ops.mean(x, axis=(1, 2, 3)) * self.weight

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.mean(keras.ops.square(y_pred))

    def fit(model):
        samples = TrainingSamples(shapes, size=(64, 64), mode="stretch", batch_size=2,
                                  scales=(0.5, 1), seed=1)  # fmt: skip
        assert {samples.size(2 * batch) for batch in range(40)} == {(32, 32), (64, 64)}
        batches = fit_batches(samples, num_threads=0)
        model.fit(batches, steps_per_epoch=40, verbose=0, shuffle=False)

    model = Mean()
    model.compile(optimizer="sgd")
    fit(model)
    first = len(traced)
    assert first <= 2 * 2  # Keras on JAX traces once more, for the metrics' states
    fit(model)
    assert len(traced) - first <= 1  # the iterator's new signature, once
