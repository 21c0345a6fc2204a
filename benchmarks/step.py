"""Our training step as a call that ends when its work is done."""

from __future__ import annotations

import keras
import numpy as np

from zoo.detector import Detector
from zoo.ops.compile import xla


class Counted(Detector):
    """A detector that counts how often its training step is traced."""

    traces = 0

    def train_step(self, *arguments):
        self.traces += 1  # Python runs here when a step is traced, not when it is taken
        return super().train_step(*arguments)


class Bare(Counted):
    """The same network with a loss that costs nothing: the mean of the squares of its outputs."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        outputs = [keras.ops.cast(output, "float32") for output in y_pred.values()]
        loss = sum(keras.ops.mean(keras.ops.square(output)) for output in outputs)
        self._loss_mean.update_state(loss)
        return loss


def step_of(detector, x, y):
    """One update of a compiled detector on a batch that is on the device, as `fit` takes it.

    Returns:
        A function that takes a step, and its loss.
    """
    x, y = on_device(x), {key: on_device(value) for key, value in y.items()}
    if keras.backend.backend() == "jax":
        step = JaxStep(detector, x, y)
        return step.take
    detector.make_train_function()
    return lambda: float(detector.train_function(iter([(x, y, None)]))["loss"])


def on_device(array):
    return keras.ops.convert_to_tensor(array)


class JaxStep:
    """What Keras' JAX trainer compiles, with the state kept between steps as it does in `fit`."""

    def __init__(self, detector, x, y):
        import jax

        self.data = (x, y, None)
        variables = (
            detector.trainable_variables, detector.non_trainable_variables,
            detector.optimizer.variables, detector.metrics_variables,
        )  # fmt: skip
        # Copies, for a step donates its state.
        self.state = tuple([jax.numpy.array(v.value) for v in group] for group in variables)
        self.compiled = jax.jit(detector.train_step, donate_argnums=0)

    def lowered(self):
        """The step for XLA, not yet compiled."""
        return self.compiled.lower(self.state, self.data)

    def take(self):
        import jax

        logs, self.state = self.compiled(self.state, self.data)
        jax.block_until_ready(self.state)
        return float(logs["loss"])


def loss_of(detector, x, y):
    """The loss of a detector and its gradient by the raw predictions, compiled with XLA, alone."""
    outputs = {key: on_device(np.asarray(o, "float32")) for key, o in raw(detector, x).items()}
    y = {key: on_device(value) for key, value in y.items()}
    parts = detector._loss_of
    if keras.backend.backend() == "jax":
        import jax

        def mean(outputs, y):
            return keras.ops.mean(sum(parts(y, outputs).values()))

        compiled = jax.jit(jax.value_and_grad(mean))
        return lambda: jax.block_until_ready(compiled(outputs, y))
    import tensorflow as tf

    compiled = xla(parts)

    @tf.function(autograph=False)
    def both(outputs, y):
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            value = keras.ops.mean(sum(compiled(y, outputs).values()))
        return value, tape.gradient(value, outputs)

    return lambda: float(both(outputs, y)[0])


def raw(detector, x):
    """Raw predictions on the host."""
    return detector.predict_on_batch(x)
