import keras
import numpy as np
import pytest

from zoo.layer.attention import PointwiseAttention
from zoo.layer.connected import Connected
from zoo.layer.convolution import ConvBN


def test_every_value_has_a_gate_of_its_own():
    layer = PointwiseAttention(name="sam")
    layer.build((None, None, None, 2))
    # Channel 0 is gated by 4·channel 1, channel 1 by 0: sigmoids of 4 and 0, near enough to
    # variance 1 for batch normalisation to divide by √(1 + 1e-5).
    layer.gate.convolution.kernel.assign(np.array([[0, 0], [4, 0]], "float32")[None, None])
    features = np.array([[[[3.0, 1.0], [-2.0, 0.0]]]], "float32")
    gated = keras.ops.convert_to_numpy(layer(features))[0, 0]
    assert gated == pytest.approx(np.array([[3 / (1 + np.exp(-4)), 1 / 2], [-2 / 2, 0]]), abs=1e-4)


def test_a_model_with_it_is_saved_and_loaded(tmp_path):
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, PointwiseAttention()(inputs))
    images = np.random.default_rng(0).random((1, 4, 5, 3), "float32")
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict_on_batch(images), model.predict_on_batch(images))
    assert again.count_params() == 3 * 3 + 4 * 3


def test_the_features_keep_their_type_under_mixed_precision():
    layer = PointwiseAttention(dtype="mixed_bfloat16")
    assert keras.backend.standardize_dtype(layer(np.ones((1, 1, 1, 2))).dtype) == "bfloat16"


@pytest.mark.parametrize(
    "layer", [lambda **o: ConvBN(2, 1, **o), PointwiseAttention, lambda **o: Connected(2, **o)]
)
def test_layers_inside_are_frozen_and_typed_as_the_layer_is(layer):
    layer = layer(dtype="mixed_bfloat16", trainable=False)
    inputs = keras.Input((2, 2, 2))
    model = keras.Model(inputs, layer(inputs))
    assert not model.trainable_variables and len(model.variables) > 1
    leaves = [leaf for leaf in layer._flatten_layers() if leaf.variables]
    assert {leaf.compute_dtype for leaf in leaves} == {"bfloat16"}
