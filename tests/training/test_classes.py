from types import SimpleNamespace

import pytest

from zoo.errors import ZooError
from zoo.training.classes import (
    check_classes,
    warn_of_empty_classes,
    warn_of_images_without_boxes,
)


def sources(train, val):
    return {"train": SimpleNamespace(class_names=train), "val": SimpleNamespace(class_names=val)}


@pytest.mark.parametrize(
    "val",
    [
        pytest.param(["cat", "dog"], id="the same"),
        pytest.param(["dog", "cat"], id="another order: evaluation goes by name"),
        pytest.param(["dog"], id="fewer"),
    ],
)
def test_classes_that_fit(val):
    check_classes(sources(["cat", "dog"], val))


def test_a_class_of_validation_alone_is_refused_with_the_nearest():
    with pytest.raises(ZooError, match=r"class 'dogs', which the training data \(2 .*mean dog\?"):
        check_classes(sources(["cat", "dog"], ["cat", "dogs"]))


def test_no_classes_are_refused():
    with pytest.raises(ZooError, match="have no classes"):
        check_classes(sources([], []))


def test_classes_without_boxes_are_named():
    data = {
        "class_names": ["cat", "dog", "cow"],
        "train": {"boxes": {"cat": 3, "dog": 0, "cow": 1}},
        "val": {"boxes": {"cat": 2, "dog": 1}},
    }
    train, val = warn_of_empty_classes(data)
    assert train.startswith("1 of 3 classes have no box in the train split and cannot be learnt: d")
    assert val.startswith("1 of 3 classes have no box in the val split and have no AP there: cow")


def test_full_classes_need_no_warning():
    full = {"boxes": {"cat": 3}}
    assert warn_of_empty_classes({"class_names": ["cat"], "train": full, "val": full}) == []


def test_a_class_of_images_has_images():
    data = {"class_names": ["cat"], "train": {"boxes": {}}, "val": {"boxes": {}}}
    train, val = warn_of_empty_classes(data, "classification")
    assert "have no image in the train split and cannot be learnt: cat" in train
    assert "have no image in the val split and do not count there: cat" in val
    assert "box" not in train + val and "AP" not in train + val


@pytest.mark.parametrize(
    ("data", "task", "warned"),
    [("folders", {}, True), ("tfds_classes", {"task": "detection"}, True),
     ("folders", {"task": "classification"}, False), ("voc", {}, False)],
)  # fmt: skip
def test_images_without_boxes_want_a_classifier(caplog, data, task, warned):
    warn_of_images_without_boxes({"data": {"name": data}, **task})
    assert ("set task=classification" in caplog.text) is warned
