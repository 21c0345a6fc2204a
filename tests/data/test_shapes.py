import numpy as np
import pytest

from zoo.data.sources import open_source
from zoo.data.sources.drawing import LARGEST, SMALLEST, VISIBLE, arrange
from zoo.data.sources.shapes import Shapes
from zoo.errors import ZooError
from zoo.training.data_record import image_digests


def opened(split="train", **keys):
    return open_source({"name": "shapes", "images": 200, "held_out": 50} | keys, split)


def test_an_image_is_a_function_of_seed_split_and_index():
    first, again = opened(), opened()
    np.testing.assert_array_equal(first.image(7), again.image(7))
    assert first.fingerprint == again.fingerprint
    assert not np.array_equal(first.image(7), opened("val").image(7))
    assert not np.array_equal(first.image(7), opened(seed=1).image(7))
    assert opened("val").fingerprint != opened("test").fingerprint


def test_it_is_a_detection_task():
    source = opened()
    labels = [source.labels(i) for i in range(len(source))]
    counts = np.bincount([len(found) for found in labels], minlength=7)
    assert counts.all() and len(counts) == 7  # background images, and up to six objects
    assert set(np.concatenate([found.classes for found in labels])) == set(range(6))
    boxes = np.concatenate([found.boxes for found in labels])
    longest = (boxes[:, 2:] - boxes[:, :2]).max(1)
    assert np.percentile(longest, 5) < SMALLEST + 4 and longest.max() <= LARGEST + 2
    assert ((boxes >= 0) & (boxes <= 128)).all()


def test_boxes_are_tight_and_shapes_stay_in_sight():
    """A shape that nothing hides fills its box from edge to edge."""
    uncovered = 0
    for index in range(40):
        scene = arrange((96, 128), np.random.default_rng(index))
        for shape, box in enumerate(scene.boxes):
            ys, xs = np.nonzero(scene.owner == shape)
            seen = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            assert (np.array(seen[:2]) >= box[:2]).all() and (np.array(seen[2:]) <= box[2:]).all()
            if shape == len(scene.boxes) - 1:  # the last one drawn
                assert seen == list(box)
                uncovered += 1
    assert uncovered > 30


def test_a_later_shape_hides_only_part_of_an_earlier_one():
    from zoo.data.sources.drawing import _fits

    owner = np.full((10, 10), -1, np.int8)
    owner[:, :] = 0
    mask = np.zeros((10, 10), np.uint8)
    mask[: int(10 * (1 - VISIBLE))] = 1  # five rows of ten: half stays
    assert _fits(mask, owner, [100])
    mask[:6] = 1
    assert not _fits(mask, owner, [100])


def test_objects_show_in_the_picture():
    """Pixels of an object differ from the pixels around it."""
    source = opened()
    differences = []
    for index in range(30):
        image, scene = source.image(index).astype(float), source._scene(index)
        background = image[scene.owner < 0].mean(0)
        for shape in range(len(scene.boxes)):
            differences.append(np.abs(image[scene.owner == shape].mean(0) - background).max())
    assert np.median(differences) > 60


def test_size():
    source = opened(size=[64, 160])
    assert source.image(0).shape == (64, 160, 3) and source.size(0) == (64, 160)
    assert source.image(0).dtype == np.uint8


def test_bad_keys():
    with pytest.raises(ZooError, match="shapes has no split 'vall'; did you mean val"):
        opened(val="vall", split="val")
    with pytest.raises(ZooError, match="has no images"):
        opened(images=0)
    with pytest.raises(ZooError, match="at least 32 pixels"):
        opened(size=[16, 128])
    with pytest.raises(ZooError, match="takes no 'image'; did you mean images"):
        opened(image=3)


class OneId(Shapes):
    """A source whose images all have the same id."""

    def id(self, index):
        return 0


def test_no_image_of_a_repeated_id_is_lost_from_the_record():
    digests = image_digests(OneId(split="val", held_out=3))
    assert list(digests) == ["0", "0 #2", "0 #3"]
