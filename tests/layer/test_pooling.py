import numpy as np
import pytest
from gradients import parts_and_gradients

from zoo.layer.pooling import SeparableMaxPool


@pytest.mark.parametrize("size", [2, 3, 5])
def test_equal_maxima_give_the_gradient_to_the_first_of_their_window(size):
    # Few values, so that most windows have several maxima.
    image = np.random.default_rng(0).integers(0, 3, (7, 6)).astype("float32")
    expected = np.zeros_like(image)
    for y in range(7):
        for x in range(6):
            top, left = y - (size - 1) // 2, x - (size - 1) // 2
            rows, columns = slice(max(top, 0), top + size), slice(max(left, 0), left + size)
            window = image[rows, columns]
            row, column = np.unravel_index(np.argmax(window), window.shape)  # the first of them
            expected[max(top, 0) + row, max(left, 0) + column] += 1

    def pooled(truth, predictions):
        del truth
        return {"largest": SeparableMaxPool(size)(predictions["image"])}

    _, gradients = parts_and_gradients(pooled, {}, {"image": image[None, :, :, None]})
    np.testing.assert_array_equal(gradients["image"][0, :, :, 0], expected)


def test_it_comes_back_from_its_config_and_takes_no_strides():
    layer = SeparableMaxPool.from_config(SeparableMaxPool(5, name="pool").get_config())
    assert (layer.name, layer.size, layer.strides, layer.padding) == ("pool", 5, (1, 1), 4)
    with pytest.raises(TypeError, match="strides"):
        SeparableMaxPool(5, strides=(2, 2))
