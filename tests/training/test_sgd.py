import keras
import numpy as np
import pytest

from zoo.training.schedules.darknet import Constant
from zoo.training.sgd import SGD


def variable(name, value):
    return keras.Variable(np.float32(value), name=name)


def test_two_steps_by_hand():
    # v1 = 2 + 0.1·1 = 2.1, w1 = 1 − 0.5·2.1 = −0.05
    # v2 = 0.9·2.1 + 2 + 0.1·(−0.05) = 3.885, w2 = −0.05 − 0.5·3.885 = −1.9925
    kernel = variable("kernel", 1.0)
    optimizer = SGD(learning_rate=0.5, momentum=0.9, weight_decay=0.1)
    for expected in (-0.05, -1.9925):
        optimizer.apply([keras.ops.convert_to_tensor(np.float32(2.0))], [kernel])
        assert float(kernel.value) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["bias", "beta", "gamma"])
def test_only_kernels_decay(name):
    parameter = variable(name, 1.0)
    optimizer = SGD(learning_rate=0.5, weight_decay=0.1)
    optimizer.apply([keras.ops.convert_to_tensor(np.float32(0.0))], [parameter])
    assert float(parameter.value) == 1.0


def test_the_rate_is_outside_the_velocity():
    """When the rate falls to a hundredth, so does the step; Keras' own SGD would glide on."""

    class Falling(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return keras.ops.where(step < 1, 1.0, 0.01)

    kernel = variable("kernel", 0.0)
    optimizer = SGD(learning_rate=Falling(), momentum=0.9, weight_decay=0.0)
    gradient = [keras.ops.convert_to_tensor(np.float32(1.0))]
    optimizer.apply(gradient, [kernel])
    optimizer.apply(gradient, [kernel])
    assert float(kernel.value) == pytest.approx(-1 - 0.01 * 1.9)


def test_config_round_trip():
    optimizer = SGD(learning_rate=Constant(0.1, 10), momentum=0.8, weight_decay=0.01)
    again = SGD.from_config(optimizer.get_config())
    assert (again.momentum, again.kernel_decay) == (0.8, 0.01)
    assert again.weight_decay is None  # Keras' decoupled decay stays off


def test_updates_equal_darknets(oracle_dir):
    """Velocity and weights after real updates follow from the golden gradients [train/steps]."""
    run = np.load(oracle_dir / "train" / "steps" / "yolov4-tiny_128_burnin10_natural.npz")
    rates = run["learning_rate"]
    assert rates.shape == (5,)
    kernels = run["after_kernel_slice"]
    gradients = run["grad_kernel_slice"]
    # Batch and decay are the official ones of the run's cfg.
    cfg = (oracle_dir / "train" / "steps" / "yolov4-tiny_128_burnin10.cfg").read_text()
    options = dict(
        line.replace(" ", "").split("=", 1) for line in cfg.splitlines()[:40] if "=" in line
    )
    batch = int(options["batch"])
    kernel = keras.Variable(kernels[0], name="kernel")
    optimizer = SGD(momentum=float(options["momentum"]), weight_decay=float(options["decay"]))
    # From after step 0 on; its velocity is what the golden gradient of step 0 left behind.
    optimizer.build([kernel])
    start = _before(kernels[0], gradients[0], rates[0], float(options["decay"]), batch)
    optimizer.velocities[0].assign(gradients[0] / -batch + float(options["decay"]) * start)
    for step in range(1, 5):
        optimizer.learning_rate = float(rates[step])
        optimizer.apply([keras.ops.convert_to_tensor(gradients[step] / -batch)], [kernel])
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(kernel.value), kernels[step], atol=3e-6
        )


def _before(after, gradient, rate, decay, batch):
    """The weights before a first update w' = w + rate·(G / batch − decay·w)."""
    return (after - rate * gradient / batch) / (1 - rate * decay)
