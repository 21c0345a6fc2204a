"""An activation with weights, as of a plugin, in a convolution."""

import keras
import numpy as np
import pytest

import zoo
from zoo.deployment.fold import fold
from zoo.layer.convolution import ConvBN
from zoo.registry import LAYERS


@pytest.fixture(autouse=True)
def prelu():
    def part():
        return keras.layers.PReLU(shared_axes=[1, 2])

    with LAYERS.temporarily("prelu", part):
        yield


def slopes(model):
    return [layer.activation.alpha for layer in model._flatten_layers() if has_slope(layer)]


def has_slope(layer):
    return isinstance(layer, ConvBN) and isinstance(layer.activation, keras.layers.PReLU)


def test_it_learns_and_is_saved(tmp_path):
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, ConvBN(4, activation="prelu", name="conv")(images))
    assert [tuple(alpha.shape) for alpha in slopes(model)] == [(1, 1, 4)]
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype("float32")
    model.fit(x, np.ones((4, 8, 8, 4), "float32"), verbose=0)
    assert np.abs(slopes(model)[0]).min() > 0  # they began at 0
    model.save(tmp_path / "a.keras")
    loaded = keras.saving.load_model(tmp_path / "a.keras")
    np.testing.assert_array_equal(loaded.predict_on_batch(x), model.predict_on_batch(x))


def test_folding_takes_its_weights_along():
    detector = zoo.build("yolov4_tiny", ["a"], ["+model.backbone.activation=prelu"])
    assert len(slopes(detector)) > 10
    for number, alpha in enumerate(slopes(detector)):
        alpha.assign(np.full(alpha.shape, 0.1 + 0.02 * number, "float32"))
    images = np.random.default_rng(1).random((1, 64, 64, 3), "float32")
    raw, light = (model.predict_on_batch(images) for model in (detector, fold(detector)))
    for level, values in raw.items():
        np.testing.assert_allclose(light[level], values, atol=1e-5, rtol=1e-4)
