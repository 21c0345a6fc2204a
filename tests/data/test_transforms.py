import numpy as np
import pytest

from zoo.data.loader import bound
from zoo.data.transforms.flip import flip
from zoo.errors import ZooError


@pytest.fixture
def marked():
    """A 10×20 image with one bright rectangle, and its box."""
    image = np.zeros((10, 20, 3), np.uint8)
    image[2:5, 3:9] = 255
    return image, np.array([[3, 2, 9, 5]], np.float32)


def test_flip_moves_the_box_with_the_pixels(marked):
    image, boxes = flip(*marked, np.random.default_rng(0), probability=1.0)
    np.testing.assert_array_equal(boxes, [[11, 2, 17, 5]])
    ys, xs = np.nonzero(image[..., 0])
    assert [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1] == boxes[0].tolist()


def test_flip_leaves_its_input_alone(marked):
    image, boxes = (array.copy() for array in marked)
    flip(*marked, np.random.default_rng(0), probability=1.0)
    np.testing.assert_array_equal(marked[0], image)
    np.testing.assert_array_equal(marked[1], boxes)


def test_flip_happens_as_often_as_stated(marked):
    rng = np.random.default_rng(0)
    flipped = sum(flip(*marked, rng, probability=0.3)[1][0, 0] == 11 for _ in range(2000))
    assert abs(flipped / 2000 - 0.3) < 0.04  # four standard deviations


def test_flip_of_an_image_without_boxes():
    image, boxes = np.zeros((4, 4, 3), np.uint8), np.zeros((0, 4), np.float32)
    assert flip(image, boxes, np.random.default_rng(0), probability=1.0)[1].shape == (0, 4)


def test_configs_are_checked_before_anything_runs(marked):
    rng = np.random.default_rng(0)
    assert bound({"name": "flip", "probability": 1.0})(*marked, rng)[1][0, 0] == 11
    with pytest.raises(ZooError, match="transform 'flip' takes no 'probabilty'; did you mean prob"):
        bound({"name": "flip", "probabilty": 1.0})
    with pytest.raises(ZooError, match="no transform 'flipp'; did you mean flip"):
        bound({"name": "flipp"})
    with pytest.raises(ZooError, match="needs a `name`"):
        bound({})
