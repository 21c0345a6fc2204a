import pytest

from zoo.errors import ZooError
from zoo.training.length import epochs, steps_of_an_epoch


class Images:
    def __init__(self, images, classes):
        self.images, self.class_names = images, ["c"] * classes

    def __len__(self):
        return self.images


def cfg(**changes):
    keys = {"epochs": None, "updates": "auto", "batch_size": 64, "subdivisions": 1}
    return {**keys, "steps_per_epoch": None, **changes}


@pytest.mark.parametrize(
    ("images", "classes", "changes", "expected"),
    [
        pytest.param(640, 1, {}, 600, id="6000 iterations at least, 10 an epoch"),
        pytest.param(640, 3, {}, 600, id="3 classes: 2000 each"),
        pytest.param(640, 4, {}, 800, id="4 classes: 8000"),
        pytest.param(64000, 3, {}, 64, id="64000 images: as many iterations, 1000 an epoch"),
        pytest.param(640, 4, {"batch_size": 8}, 800, id="small batches: the same images"),
        pytest.param(640, 4, {"batch_size": 8, "subdivisions": 8}, 800, id="8 of 8 make 64"),
        pytest.param(640, 4, {"epochs": 7}, 7, id="epochs go first"),
        pytest.param(640, 4, {"updates": 25}, 3, id="25 updates: 3 epochs of 10"),
        pytest.param(640, 4, {"updates": 25, "subdivisions": 2}, 5, id="50 batches: 5 of 10"),
    ],
)  # fmt: skip
def test_epochs_of_a_run(images, classes, changes, expected):
    source, keys = Images(images, classes), cfg(**changes)
    assert epochs(keys, source, steps=steps_of_an_epoch(keys, source)) == expected


def test_an_epoch_has_whole_batches_only():
    assert steps_of_an_epoch(cfg(batch_size=8), Images(47, 1)) == 5
    with pytest.raises(ZooError, match="batch_size 64 is more than the 47 training images"):
        steps_of_an_epoch(cfg(), Images(47, 1))


@pytest.mark.parametrize("updates", [None, 0, "all"])
def test_a_run_without_a_length_is_refused(updates):
    with pytest.raises(ZooError, match="epochs is null and updates is"):
        epochs(cfg(updates=updates), Images(640, 1), steps=10)


@pytest.mark.parametrize(
    ("key", "value"),
    [("batch_size", 0), ("batch_size", "abc"), ("subdivisions", 0), ("steps_per_epoch", -1),
     ("epochs", 0), ("epochs", 1.5)],
)  # fmt: skip
def test_lengths_are_positive_whole_numbers(key, value):
    keys, source = cfg(batch_size=8, epochs=2) | {key: value}, Images(47, 1)
    with pytest.raises(ZooError, match=f"{key}={value}: must be a whole number, at least 1"):
        epochs(keys, source, steps=steps_of_an_epoch(keys, source))


def test_a_run_has_the_batches_of_an_update():
    keys, source = cfg(batch_size=8, epochs=2, subdivisions=11), Images(47, 1)
    with pytest.raises(ZooError, match="subdivisions=11: the run has 10 batches, too few for one"):
        epochs(keys, source, steps=steps_of_an_epoch(keys, source))
    assert epochs(keys | {"subdivisions": 10}, source, steps=5) == 2
