import itertools

import cv2
import numpy as np
import pytest

from zoo.data.geometry import resize
from zoo.data.lint import Lint
from zoo.data.loader import clear_errors, evaluation_batches, training_batches
from zoo.data.sample import Labels
from zoo.data.sources.files import ImageFiles, Record
from zoo.data.training import PADDING, TrainingSamples
from zoo.errors import ZooError
from zoo.inference import prepared

KEYS = {"size": (32, 64), "mode": "stretch", "batch_size": 2, "max_boxes": 3}


class Striped:
    """Image i is grey of level i, but bright left of column i + 1; sides differ with i."""

    class_names, category_ids = ("left", "right"), (1, 2)

    def __init__(self, boxes=(1, 0, 2, 3, 1), crowd=()):
        self._boxes, self._crowd = boxes, crowd

    def __len__(self):
        return len(self._boxes)

    def id(self, index):
        return f"image-{index}"

    def size(self, index):
        return 16, 20 + index

    def labels(self, index):
        boxes = [(0, 0, index + 1, 16 - row) for row in range(self._boxes[index])]
        return Labels.of(
            boxes, np.arange(len(boxes)) % 2, [row in self._crowd for row in range(len(boxes))]
        )

    def image(self, index):
        image = np.full((*self.size(index), 3), index, np.uint8)
        image[:, : index + 1] = 200
        return image


def take(count, source=None, num_threads=2, **keys):
    samples = TrainingSamples(source or Striped(), **KEYS | keys)
    return list(itertools.islice(training_batches(samples, num_threads=num_threads), count))


def levels(batches):
    """Which images the batches show: the level of the middle, where no stripe reaches."""
    return np.concatenate([x[:, 0, 32, 0] for x, _ in batches])


def test_batches_have_one_shape_and_are_padded():
    batches = take(5)  # two epochs
    for x, y in batches:
        assert x.shape == (2, 32, 64, 3) and x.dtype == np.uint8
        assert y["boxes"].shape == (2, 3, 4) and y["boxes"].dtype == np.float32
        assert y["classes"].shape == (2, 3) and y["classes"].dtype == np.int32
    boxes, classes = (np.concatenate([y[key] for _, y in batches]) for key in ("boxes", "classes"))
    first, second = (levels(batches).tolist().index(image) for image in (0, 1))
    np.testing.assert_array_equal(classes[first], [0, PADDING, PADDING])
    np.testing.assert_array_equal(classes[second], [PADDING] * 3)
    # Image 0 is 16×20: its column of one pixel becomes 64 / 20 wide, and 32 high.
    np.testing.assert_allclose(boxes[first, 0], [0, 0, 3.2, 32], rtol=1e-6)
    assert not boxes[first, 1:].any() and not boxes[second].any()


def test_training_repeats_in_a_new_order_and_drops_nothing():
    shown = levels(take(10)).reshape(4, 5)  # four epochs of five images, in batches of two
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in shown)
    assert len({tuple(epoch) for epoch in shown}) > 1


@pytest.mark.parametrize("threads", [1, 4])
def test_batches_do_not_depend_on_the_number_of_threads(threads):
    keys = {"transforms": [{"name": "flip"}], "seed": 5}
    reference = take(6, num_threads=0, **keys)
    for (x, y), (expected_x, expected_y) in zip(
        take(6, num_threads=threads, **keys), reference, strict=True
    ):
        np.testing.assert_array_equal(x, expected_x)
        np.testing.assert_array_equal(y["boxes"], expected_y["boxes"])
        np.testing.assert_array_equal(y["classes"], expected_y["classes"])


def test_processes_and_parts_share_a_batch_in_order():
    samples = TrainingSamples(Striped(), **KEYS | {"batch_size": 4})

    def levels_of(count, **keys):
        batches = training_batches(samples, start=1, num_threads=0, **keys)
        return levels(itertools.islice(batches, count)).tolist()

    whole = levels_of(2)
    shares = [levels_of(2, process=process, processes=2) for process in (0, 1)]
    assert shares == [whole[:2] + whole[4:6], whole[2:4] + whole[6:]]
    assert levels_of(4, parts=2) == whole


def test_the_seed_decides_order_and_transforms():
    assert not np.array_equal(levels(take(10, seed=1)), levels(take(10, seed=2)))


def test_transforms_change_with_the_epoch():
    flip = {"transforms": [{"name": "flip"}]}
    flipped = np.concatenate([x[:, 0, -1, 0] > 127 for x, _ in take(20, **flip)])
    assert 0.2 < flipped.mean() < 0.8
    assert not any((x[:, 0, -1, 0] > 127).any() for x, _ in take(3))


def test_crowd_is_left_out_of_training():
    ((x, y),) = take(1, Striped((3, 3), crowd=(0, 2)))
    np.testing.assert_array_equal(y["classes"], [[1, PADDING, PADDING]] * 2)
    np.testing.assert_allclose(y["boxes"][x[:, 0, 32, 0] == 0][0, 0], [0, 0, 3.2, 30])


def test_too_many_boxes_are_an_error_before_anything_is_read():
    with pytest.raises(ZooError, match=r"'image-3' has 3 boxes, .*max_boxes=2; set .*max_boxes=3"):
        take(1, max_boxes=2)
    assert take(1, Striped((3, 3), crowd=(0,)), max_boxes=2)


def test_evaluation_gives_every_image_and_the_way_back():
    source = Striped()
    batches = list(evaluation_batches(source, size=(32, 64), mode="letterbox", batch_size=2))
    assert [indices for _, indices, _ in batches] == [[0, 1], [2, 3], [4]]
    assert [x.shape for x, _, _ in batches] == [(2, 32, 64, 3), (2, 32, 64, 3), (1, 32, 64, 3)]
    for x, indices, geometries in batches:
        for pixels, index, geometry in zip(x, indices, geometries, strict=True):
            expected, way = resize(source.image(index), (32, 64), mode="letterbox")
            np.testing.assert_array_equal(pixels, expected)
            assert geometry == way and geometry.original == source.size(index)


class Broken(Striped):
    def image(self, index):
        raise ZooError(f"image-{index} is a truncated JPEG")


@pytest.mark.parametrize("batch_size", [0, -1, 1.5])
def test_a_batch_has_images(batch_size):
    # At once, before a caller computes with it.
    with pytest.raises(
        ZooError, match=f"batch_size={batch_size}: must be a whole number, at least 1"
    ):
        evaluation_batches(Striped(), size=(32, 64), mode="stretch", batch_size=batch_size)


@pytest.mark.parametrize("threads", [0, 2])
def test_an_unreadable_image_is_one_clear_error(threads):
    with pytest.raises(ZooError, match=r"image-\d is a truncated JPEG"):
        take(1, Broken(), num_threads=threads)
    with pytest.raises(ZooError, match="image-0 is a truncated JPEG"):
        list(evaluation_batches(Broken(), size=(32, 32), mode="stretch", batch_size=2))


def test_clear_errors_finds_ours_in_tensorflows():
    text = "Graph execution error:\n\nZooError: a.jpg is a truncated JPEG\nTraceback …"
    with pytest.raises(ZooError, match=r"^a\.jpg is a truncated JPEG$"), clear_errors():
        raise RuntimeError(text)
    with pytest.raises(RuntimeError, match="other"), clear_errors():
        raise RuntimeError("other")


def test_keras_fits_on_it():
    """`fit` takes the dataset on any backend, and goes on where the last epoch ended."""
    import keras

    seen = []

    class Count(keras.Model):
        def __init__(self):
            super().__init__()
            self.weight = self.add_weight(shape=(), initializer="zeros")

        def call(self, x):
            return keras.ops.mean(keras.ops.cast(x, "float32"), axis=(1, 2, 3)) * self.weight

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            objects = keras.ops.sum(keras.ops.cast(y["classes"] >= 0, "float32"), axis=1)
            return keras.ops.mean(keras.ops.square(y_pred - objects))

    class Seen(Striped):
        def image(self, index):
            seen.append(index)
            return super().image(index)

    model = Count()
    model.compile(optimizer="sgd")
    batches = training_batches(TrainingSamples(Seen(), **KEYS, cache_mb=0), num_threads=2)
    history = model.fit(batches, steps_per_epoch=5, epochs=2, verbose=0, shuffle=False).history
    assert np.isfinite(history["loss"]).all() and len(history["loss"]) == 2
    assert len(seen) >= 20


def test_darknets_interpolation_sees_every_pixel_of_a_jpeg(tmp_path):
    """Decoding a part is for `linear` alone."""
    picture = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "a.jpg"), picture)
    record = Record("a", tmp_path / "a.jpg", (512, 512), [], "here")
    source = ImageFiles([record], Lint("photos", "error"), {0: 0}, ["thing"])
    keys = {"mode": "stretch", "interpolation": "darknet"}
    ((x, _, _),) = evaluation_batches(source, size=(64, 64), batch_size=1, **keys)
    np.testing.assert_array_equal(x[0], resize(source.image(0), (64, 64), **keys)[0])
    np.testing.assert_array_equal(prepared(tmp_path / "a.jpg", (64, 64), "stretch", "darknet")[0],
                                  x[0])  # fmt: skip
