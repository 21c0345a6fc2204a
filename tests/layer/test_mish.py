import keras
import numpy as np
import pytest
from gradients import parts_and_gradients

from zoo.layer.mish import Mish

# Far from 0 on both sides, where eˣ or its square leaves its format.
POINTS = np.array([-100, -20, -5, -2, -1e-3, 0, 0.4, 3, 9, 25, 60, 500])


def value_and_slope(x):
    """x·tanh(s) with s = ln(1 + eˣ), and tanh(s) + x·σ(x)/cosh²(s), in float64."""
    s = np.logaddexp(x, 0)
    value, sigmoid = x * np.tanh(s), 1 / (1 + np.exp(-x))
    return value, np.tanh(s) + x * sigmoid / np.cosh(np.minimum(s, 300)) ** 2


def trained(truth, predictions):
    del truth
    return {"mish": Mish()(predictions["x"], training=True)}


def test_training_has_the_value_and_the_slope_of_the_formula():
    parts, gradients = parts_and_gradients(trained, {}, {"x": POINTS.astype("float32")})
    value, slope = value_and_slope(POINTS)
    np.testing.assert_allclose(parts["mish"], value, rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(gradients["x"], slope, rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_rounds_the_result_alone(dtype):
    x = keras.ops.cast(POINTS.astype("float32"), dtype)
    found = keras.ops.cast(Mish(dtype=dtype)(x, training=True), "float32")
    # A number of float16 has 11 bits and 2⁻²⁴ as its least, one of bfloat16 8 bits and 2⁻¹²⁶.
    digits, least = {"float16": (2**-11, 2**-24), "bfloat16": (2**-8, 2**-126)}[dtype]
    value, _ = value_and_slope(np.asarray(keras.ops.cast(x, "float32"), "float64"))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), value, digits, least)


def test_inference_is_the_same_function():
    x = np.linspace(-30, 30, 601, dtype="float32")
    both = [keras.ops.convert_to_numpy(Mish()(x, training=t)) for t in (False, True)]
    np.testing.assert_allclose(*both, rtol=1e-5, atol=1e-12)
