"""Data sets of somebody else: what does not keep to the contract is named before it is used."""

from dataclasses import replace

import numpy as np
import pytest

from zoo.data.sample import Labels, fingerprint, pixels_of
from zoo.data.sources import open_source
from zoo.errors import ZooError
from zoo.registry import DATASETS


class Stranger:
    """Two images of 40×60 with a box each."""

    def __init__(self, *, split):
        self.class_names, self.category_ids = ["a", "b"], [1, 2]

    def __len__(self):
        return 2

    def id(self, index):
        return index

    def size(self, index):
        return 40, 60

    def labels(self, index):
        return Labels.of([(1, 2, 30, 20)], [1])

    def image(self, index):
        return np.zeros((40, 60, 3), np.uint8)

    @property
    def fingerprint(self):
        return fingerprint(self, range(2))


def opened(part):
    with DATASETS.temporarily("stranger", part):
        return open_source({"name": "stranger"}, "train")


def test_a_sound_one_is_opened_as_it_is():
    assert isinstance(opened(Stranger), Stranger)


def test_sizes_of_numpy_have_the_same_fingerprint():
    other = type("Other", (Stranger,), {"size": lambda self, index: (np.int64(40), np.int64(60))})
    assert opened(other).fingerprint == opened(Stranger).fingerprint


GOOD = Labels.of([(1, 2, 30, 20)], [1])


def box(*xyxy):
    return {"labels": lambda self, index: Labels.of([xyxy], [0])}


def second(good, bad):
    """What only the last image has."""
    return lambda self, index: bad if index else good


@pytest.mark.parametrize(
    ("members", "words"),
    [
        pytest.param(box(1, 2, float("nan"), 20),
                     r"labels\(0\) whose box .* is not finite", id="NaN"),
        pytest.param(box(70, 2, 80, 20), "lies outside its image of 60×40", id="outside"),
        pytest.param(box(50, 2, 80, 20), "sticks out of its image of 60×40 by 20", id="beyond"),
        pytest.param(box(30, 2, 1, 20), "has no area", id="inverted"),
        pytest.param({"labels": second(GOOD, Labels.of([(1, 2, 3, 4)], [7]))},
                     r"labels\(1\) of the class 7 where there are 2", id="class"),
        pytest.param({"labels": second(GOOD, Labels.of([(1, 2, 3, 4)], [2]))},
                     r"labels\(1\) of the class 2 where there are 2", id="class after the last"),
        pytest.param({"labels": second(GOOD, None)}, "of type NoneType, not", id="no labels"),
        pytest.param({"labels": second(GOOD, ([], []))}, "of type tuple, not", id="tuple"),
        pytest.param({"labels": second(GOOD, replace(GOOD, classes=np.zeros(2, int)))},
                     r"whose classes have the shape \(2,\), not \(1,\)", id="uneven"),
        pytest.param({"labels": second(GOOD, replace(GOOD, crowd=np.zeros(1)))},
                     "Labels.of makes them right", id="floats"),
        pytest.param({"id": lambda self, index: 5},
                     r"id\(1\) 5, no int or text that only", id="ids"),
        pytest.param({"id": lambda self, index: np.int64(5)}, r"id\(0\) .*5.*, no int", id="int64"),
        pytest.param({"size": lambda self, index: [40, 60]},
                     r"size\(0\) \[40, 60\], no", id="list"),
        pytest.param({"image": lambda self, index: None},
                     "of type NoneType, no uint8", id="nothing"),
        pytest.param({"image": lambda self, index: np.zeros((40, 60), np.uint8)},
                     r"uint8 \(40, 60\), not uint8 \(40, 60, 3\)", id="grey"),
        pytest.param({"image": lambda self, index: np.zeros((40, 60, 3))},
                     r"image\(0\) float64 \(40, 60, 3\), not uint8", id="float"),
        pytest.param({"image": lambda self, index: np.zeros((60, 40, 3), np.uint8)},
                     r"\(60, 40, 3\), not uint8 \(40, 60, 3\)", id="turned"),
        pytest.param({"__len__": lambda self: 0}, "has no images", id="empty"),
        pytest.param({"size": None}, r"a Bad without a method size\(\)", id="no size"),
        pytest.param({"class_names": property(lambda self: "ab", lambda *_: None)},
                     "class_names='ab', no list of distinct", id="a word"),
        pytest.param({"class_names": property(lambda self: ["a", "a"], lambda *_: None)},
                     r"class_names=\['a', 'a'\], no list of distinct", id="one name for two"),
        pytest.param({"category_ids": property(lambda self: [1], lambda *_: None)},
                     r"category_ids=\[1\], no list of one int", id="one id"),
        pytest.param({"category_ids": property(lambda self: [1, 1], lambda *_: None)},
                     r"category_ids=\[1, 1\], .* all different", id="one id twice"),
        pytest.param({"fingerprint": lambda self: "abc"},
                     "is a property, not a method", id="method"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_the_part(members, words):
    with pytest.raises(ZooError, match=rf"^dataset 'stranger' \(registered at run time\).*{words}"):
        opened(type("Bad", (Stranger,), members))


@pytest.mark.parametrize(("given", "kind"), [(None, "NoneType"), ([1, 2], "list")])
def test_a_part_that_gives_no_data_set_is_named(given, kind):
    def part(*, split):
        return given

    with pytest.raises(ZooError, match=f"'stranger' .* gives a {kind} without a method"):
        opened(part)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param(np.zeros((40, 60, 3)), r"float64 \(40, 60, 3\)", id="floats"),
        pytest.param(np.zeros((30, 60, 3), np.uint8), r"uint8 \(30, 60, 3\)", id="another size"),
        pytest.param(None, r"NoneType \(\)", id="nothing"),
    ],
)
def test_a_later_image_that_does_not_fit_is_named_when_it_is_read(given, words):
    good = np.zeros((40, 60, 3), np.uint8)
    source = opened(type("Bad", (Stranger,), {"image": second(good, given)}))
    assert pixels_of(source, 0).shape == (40, 60, 3)
    sentence = rf"image 1 of the data set is {words}, not uint8 \(40, 60, 3\) as zoo\.data\.sample"
    for reduction in (1, 2):
        with pytest.raises(ZooError, match=sentence):
            pixels_of(source, 1, reduction)
