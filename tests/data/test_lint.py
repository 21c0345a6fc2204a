import logging
import math

import numpy as np
import pytest

from zoo.data.lint import Annotation, Lint, checked_names
from zoo.errors import ZooError

SIZE = (100, 200)  # height, width
CLASSES = {"cat": 0, "dog": 1}


def labels(*boxes, on_error="error", category="dog"):
    lint = Lint("pets", on_error)
    annotations = [Annotation(box, category, f"object {i}") for i, box in enumerate(boxes, 1)]
    return lint.labels("a.xml", SIZE, annotations, CLASSES), lint


@pytest.mark.parametrize("box, problem", [
    pytest.param((0, 0, math.nan, 5), "is not finite", id="nan"),
    pytest.param((0, 0, math.inf, 5), "is not finite", id="infinite"),
    pytest.param((5, 5, 5, 9), "has no area", id="no width"),
    pytest.param((5, 9, 8, 5), "has no area", id="negative height"),
    pytest.param((300, 5, 310, 9), "lies outside its image of 200×100", id="right of the image"),
    pytest.param((-1, 5, 0, 9), "lies outside", id="only the overhang"),
    pytest.param((190, 5, 201.5, 9), "sticks out .* by 1.5 pixels", id="too far right"),
    pytest.param((5, -1.5, 9, 9), "sticks out .* by 1.5 pixels", id="too far up"),
])  # fmt: skip
def test_a_bad_box_is_an_error_that_names_it(box, problem):
    with pytest.raises(ZooError, match=rf"a\.xml: object 2: box \(.*\) xyxy {problem}"):
        labels((0, 0, 5, 5), box)


def test_skip_leaves_bad_boxes_out_and_lists_them(caplog):
    found, lint = labels((5, 5, 5, 9), (0, 0, 50, 40), (9, 9, 400, 400), on_error="skip")
    np.testing.assert_array_equal(found.boxes, [[0, 0, 50, 40]])
    assert found.area == [2000] and found.classes == [1] and not found.crowd
    with caplog.at_level(logging.WARNING):
        lint.report()
    assert "pets: 2 faults left out" in caplog.text
    assert "object 1" in caplog.text and "object 3" in caplog.text


def test_unknown_class():
    with pytest.raises(ZooError, match=r"a\.xml: object 1 .*class 'dgo'; did you mean dog\?"):
        labels((0, 0, 5, 5), category="dgo")


def test_a_pixel_of_overhang_is_clipped_and_reported(caplog):
    found, lint = labels((-1, 0, 5, 100.5), (0, 0, 200.001, 5))
    np.testing.assert_array_equal(found.boxes, [[0, 0, 5, 100], [0, 0, 200, 5]])
    lint.report()
    assert "pets: 1 boxes stuck out" in caplog.text and "a.xml: object 1" in caplog.text


def test_specks_are_kept_and_reported(caplog):
    found, lint = labels((3, 3, 4, 4))
    assert len(found) == 1
    lint.report()
    assert "1 boxes are at most one pixel wide or high and were kept" in caplog.text


def test_nothing_to_say(caplog):
    labels((3, 3, 8, 8))[1].report()
    assert not caplog.records


def test_no_objects():
    found, _ = labels()
    assert found.boxes.shape == (0, 4) and len(found) == 0


def test_unknown_policy():
    with pytest.raises(ZooError, match=r"data\.on_error=skipp is not known; did you mean skip"):
        Lint("pets", "skipp")


def test_the_way_to_skip_is_said_once():
    lint = Lint("pets", "error")
    with pytest.raises(ZooError) as error, lint.tolerate(), lint.tolerate():
        raise ZooError("the fault")
    message = "the fault (data.on_error=skip leaves faulty boxes and images out)"
    assert str(error.value) == message


@pytest.mark.parametrize("names, message", [
    (["cat", "dog", "cat"], "pets: several classes are called 'cat'; rename"),
    (["cat", None], "pets: class 1 is called None; give it a name, in quotes"),
    ([7], "pets: class 0 is called 7"),
    (["cat", " "], "pets: class 1 is called ' '"),
    ("cat", "pets: data.class_names=cat is no list"),
    (3, "pets: data.class_names=3 is no list"),
    ({0: "cat"}, "pets: data.class_names=.* is no list"),
])  # fmt: skip
def test_names_that_do_not_tell_classes_apart(names, message):
    with pytest.raises(ZooError, match=message):
        checked_names(names, "pets")


def test_names():
    assert checked_names(("cat", "dog"), "pets") == ["cat", "dog"]
