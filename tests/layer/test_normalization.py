import keras
import numpy as np
import pytest

from zoo.layer.convolution import ConvBN
from zoo.layer.normalization import BatchNormalization


@pytest.fixture
def layer():
    made = BatchNormalization(momentum=0.99)
    made.build((None, 1, 1, 1))
    return made


def statistics(layer, *values):
    """Moving mean and variance after a batch of so many images of one pixel."""
    layer(np.array(values, "float32")[:, None, None, None], training=True)
    return [
        float(keras.ops.convert_to_numpy(moving)[0])
        for moving in (layer.moving_mean, layer.moving_variance)
    ]


def test_a_fresh_layer_takes_the_first_batch_whole_and_a_hundredth_of_each_later(layer):
    # 1, 3: mean 2, unbiased variance 2; 4, 8: mean 6, unbiased variance 8.
    assert statistics(layer, 1, 3) == pytest.approx([2, 2])
    assert statistics(layer, 4, 8) == pytest.approx([0.99 * 2 + 0.06, 0.99 * 2 + 0.08])


def test_a_layer_with_weights_takes_a_hundredth_of_the_first_batch(layer):
    layer.moving_variance.assign([4.0])
    assert statistics(layer, 1, 3) == pytest.approx([0.02, 0.99 * 4 + 0.02])


def test_a_frozen_layer_learns_nothing(layer):
    layer.trainable = False
    assert statistics(layer, 1, 3) == [0, 1]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_has_the_statistics_of_its_rounded_features(dtype):
    layer = BatchNormalization(momentum=0, dtype=keras.DTypePolicy(f"mixed_{dtype}"))
    layer.build((None, 8, 8, 2))
    # A mean of twenty deviations, where E(x²) − E(x)² has few digits, but near the moving one.
    layer.moving_mean.assign([19.5, 0.0])
    layer.moving_variance.assign([2.0, 2.0])
    drawn = np.random.default_rng(0).normal([20, 0], [1, 3], (64, 8, 8, 2)).astype("float32")
    features = keras.ops.cast(drawn, dtype)
    found = keras.ops.cast(layer(features, training=True), "float32")
    rounded = keras.ops.convert_to_numpy(keras.ops.cast(features, "float32")).astype("float64")
    mean, variance = rounded.mean((0, 1, 2)), rounded.var((0, 1, 2))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer.moving_mean), mean, 1e-5, 1e-5)
    unbiased = variance * 4096 / 4095
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer.moving_variance), unbiased, 1e-4)
    expected = (rounded - mean) / np.sqrt(variance + layer.epsilon)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), expected, 2**-8, 1e-3)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_constant_feature_in_half_precision_has_no_negative_variance(dtype):
    layer = BatchNormalization(dtype=keras.DTypePolicy(f"mixed_{dtype}"))
    layer.build((None, 8, 8, 2))
    # 1000² summed 4096 times is rounded in float32, so that E(x²) − E(x)² may fall below 0.
    features = keras.ops.cast(np.full((64, 8, 8, 2), 1000, "float32"), dtype)
    layer(features, training=True)
    assert (keras.ops.convert_to_numpy(layer.moving_variance) >= 0).all()


#: JAX has float64 where its own variable says so only.
DTYPES = ["bfloat16"] if keras.backend.backend() == "jax" else ["bfloat16", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_it_learns_in_the_type_that_a_layer_is_given(dtype):
    layer = ConvBN(2, 1, dtype=dtype)
    found = layer(np.ones((1, 2, 2, 2)), training=True)
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    assert {variable.dtype for variable in layer.variables} == {dtype}
    # The first batch gives the statistics whole: it is constant.
    variance = keras.ops.cast(layer.normalization.moving_variance, "float32")
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(variance), 0)
