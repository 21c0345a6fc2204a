import keras
import numpy as np
import pytest

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
