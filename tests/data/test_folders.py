import cv2
import numpy as np
import pytest

from zoo.data.sources import open_source
from zoo.errors import ZooError


def write(root, name, height=20, width=30):
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), np.zeros((height, width, 3), np.uint8))


@pytest.fixture
def root(tmp_path):
    write(tmp_path, "train/cat/1.png")
    write(tmp_path, "train/ant/2.png", 10, 40)
    write(tmp_path, "val/bee/3.png")
    (tmp_path / "train/ant/notes.txt").write_text("no image")
    return tmp_path


def opened(root, split="train", **keys):
    return open_source({"name": "folders", "root": str(root), "train": split, **keys}, "train")


def test_a_folder_is_a_class_in_every_split(root):
    source = opened(root)
    assert source.class_names == ["ant", "bee", "cat"]
    assert [source.id(index) for index in range(len(source))] == ["ant/2.png", "cat/1.png"]
    assert [source.labels(index).classes.tolist() for index in range(2)] == [[0], [2]]
    assert source.labels(0).boxes.tolist() == [[0, 0, 40, 10]]
    assert opened(root, "val").class_names == source.class_names


def test_a_missing_split_and_a_strange_class_are_named(root):
    with pytest.raises(ZooError, match=r"no split 'vall' in .*did you mean val\?"):
        opened(root, "vall")
    with pytest.raises(ZooError, match="cat"):
        opened(root, class_names=["ant", "bee"])


def test_a_text_is_no_list_of_names(root):
    with pytest.raises(ZooError, match=r"data\.class_names=cat is no list"):
        opened(root, class_names="cat")
