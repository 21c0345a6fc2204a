"""Whole training steps against Darknet's [train/steps, variant `natural`]."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from darknet_run import Run
from darknet_truth import xyxy_pixels

from zoo.loss.level import by_anchor

# Relative error of the gradient norms: the worst, and the median, layer of the first update, and
# the worst of the second. Larger ones come from leaky-ReLU signs and max-pool winners that flip in
# float32, and from the trajectory, which is chaotic at the full rate: see the golden data's README.
SMALL_RATE = (2e-3, 2e-4, 5e-3)
FULL_RATE = (2e-3, 2e-4, 1e-2)
# In float64 the first layer of yolov3-tiny's second update is off by 5.9e-3 on either backend, as
# in the golden data's own check. In float32 it is 9.6e-3 or 1.06e-2, TensorFlow's the one and XLA's
# the other on one processor and the reverse on another.
FULL_RATE_ROUNDED = (2e-3, 2e-4, 1.2e-2)
KEYS = (
    "learning_rate",
    "loss",
    "grad_norm",
    "grad_kernel_slice",
    "grad_bias_slice",
    "after_norm",
    "after_kernel_slice",
    "after_params_slice",
)
slow, longest = pytest.mark.slow, pytest.mark.longest
RUNS = [
    pytest.param("yolov4-tiny_128_subdiv2", SMALL_RATE, id="two subdivisions"),
    pytest.param("yolov4-tiny_128_burnin10", SMALL_RATE, marks=slow),
    pytest.param("yolov3-tiny_128_burnin10", SMALL_RATE, marks=slow),
    pytest.param("yolov4-tiny_128_burnin_end", FULL_RATE, marks=slow),
    pytest.param("yolov3-tiny_128_burnin_end", FULL_RATE_ROUNDED, marks=slow),
    pytest.param("yolov4-tiny_416", FULL_RATE, marks=slow),
    pytest.param("yolov3_synth0_96", (5e-3, 5e-3, None), marks=slow),
    pytest.param("yolov4_synth0_96", (3e-2, 3e-2, None), marks=slow),
    pytest.param("yolov4-csp_synth0_96", (5e-3, 5e-3, None), marks=slow),
    pytest.param("yolov4-csp-swish_synth0_96", (5e-3, 5e-3, None), marks=longest),
    pytest.param("yolov4-p5_synth0_128", (5e-3, 5e-3, None), marks=longest),
]


@pytest.mark.parametrize(("name", "tolerance"), RUNS)
def test_updates_equal_darknets(oracle_dir, tmp_path, name, tolerance):
    compare(Run(oracle_dir, name, tmp_path), name, tolerance)


@slow
def test_updates_equal_darknets_in_float64(oracle_dir, tmp_path, float64):
    name = "yolov3-tiny_128_burnin_end"
    run = Run(oracle_dir, name, tmp_path)
    assert {variable.dtype for variable in run.detector.variables} == {"float64"}
    compare(run, name, FULL_RATE)


@pytest.fixture
def float64():
    set_precision("float64")
    yield
    set_precision("float32")


def set_precision(name):
    keras.config.set_floatx(name)
    keras.config.set_dtype_policy(name)
    if keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_enable_x64", name == "float64")


def compare(run, name, tolerance):
    golden, (worst, median, second) = run.golden, tolerance
    chaotic, synthetic = "burnin_end" in name, "synth0" in name
    for number in range(len(golden["n"])):
        expected = {key: golden[key][number] for key in KEYS}
        found = run.step(number)
        assert found["learning_rate"] == pytest.approx(expected["learning_rate"], rel=1e-6)
        assert found["loss"] == pytest.approx(expected["loss"], rel=1e-2 if chaotic else 1e-4)
        if chaotic and number > 1:
            assert relative(found, expected, "after_norm").max() < 0.1
            continue
        errors = relative(found, expected, "grad_norm")
        # The gradient of a kernel is a sum over many cells, that of β or a bias over few: with two
        # subdivisions kernels are off by 1.4e-3, as those of the golden data's own check in
        # float64, β by 3.6e-3 and γ by 4.7e-3.
        assert errors[:, 0].max() <= (worst if number == 0 else second)
        assert errors.max() <= 3 * (worst if number == 0 else second)
        if number == 0:
            assert np.median(errors[:, 0]) <= median
            assert shares(found, expected, "grad_kernel_slice") <= 30 * worst
            assert shares(found, expected, "grad_bias_slice") <= 30 * worst
        if synthetic:  # the gradients are thousands of times those of trained weights
            assert relative(found, expected, "after_norm").max() <= 3 * worst
            continue
        # A step at the full rate, 10,000 times that of a burn-in's first, moves weights by as much
        # more of what the gradients are off.
        full = chaotic or name.endswith("416")
        norm = 1e-4 if chaotic else 1e-5 if full else 3e-6
        assert relative(found, expected, "after_norm").max() <= norm
        if number == 0 or not full:
            assert distance(found, expected, "after_kernel_slice") <= (1e-5 if full else 3e-6)
            assert shares(found, expected, "after_params_slice") <= (2e-5 if full else 5e-6)


def relative(found, expected, key):
    """|difference| over the expected number, or over 1 where that is 0."""
    reference = np.where(expected[key] > 0, expected[key], 1)
    return np.abs(found[key] - expected[key]) / reference


def distance(found, expected, key):
    return np.abs(found[key] - expected[key]).max()


def shares(found, expected, key):
    """Largest |difference| over the largest number of its slice, or over 1 if that is less."""
    largest = np.abs(expected[key]).max(axis=-1, keepdims=True)
    return (np.abs(found[key] - expected[key]) / np.maximum(largest, 1)).max()


def test_deltas_of_the_first_step_equal_darknets(oracle_dir, tmp_path):
    """What the heads get and what their loss returns, in training mode."""
    run = Run(oracle_dir, "yolov4-tiny_128_burnin_end", tmp_path)
    detector, images = run.detector, run.images[0][0]
    truth = xyxy_pixels(run.truth[0][0], images.shape[2], images.shape[1])
    raw = detector(images, training=True)
    for k, level in enumerate(detector.head.masks):
        found = keras.ops.convert_to_numpy(raw[level]).transpose(0, 3, 1, 2)
        np.testing.assert_allclose(found, run.golden[f"step0_head{k}_in"], atol=3e-4)
        entries = by_anchor(detector.head, level, raw[level])
        deltas = keras.ops.convert_to_numpy(detector._loss_of.level(level, truth, entries).deltas)
        deltas = deltas.reshape(*raw[level].shape).transpose(0, 3, 1, 2)
        np.testing.assert_allclose(deltas, run.golden[f"step0_head{k}_delta"], atol=8e-5)
