import os

import cv2
import numpy as np
import pytest

from zoo.classifier import BackboneClassifier
from zoo.data.lint import Lint
from zoo.data.sources import open_source
from zoo.data.sources.files import image_files
from zoo.data.sources.folders import folders
from zoo.errors import ZooError
from zoo.evaluation.classification import accuracy
from zoo.registry import DATASETS


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


def test_what_is_beside_the_splits_holds_no_classes(root):
    """Runs are written below the working directory, which may be that of the data."""
    write(root, "runs/train/2026-11-29/examples.png")
    write(root, "thumbnails/all/1.png")
    assert opened(root).class_names == ["ant", "bee", "cat"]
    (root / "val").rename(root / "valid")
    assert opened(root).class_names == ["ant", "cat"]
    assert opened(root, val="valid").class_names == ["ant", "bee", "cat"]


def test_a_part_that_asks_for_them_is_told_the_names_of_all_splits(root):
    def part(*, root, split, splits):
        assert (split, splits) == ("valid", ["train", "valid", "test"])
        return folders(root=root, split="train")

    with DATASETS.temporarily("asks", part):
        open_source({"name": "asks", "root": str(root), "val": "valid"}, "val")


def test_a_missing_split_and_a_strange_class_are_named(root):
    with pytest.raises(ZooError, match=r"no split 'vall' in .*did you mean val\?"):
        opened(root, "vall")
    with pytest.raises(ZooError, match="cat"):
        opened(root, class_names=["ant", "bee"])


def test_a_text_is_no_list_of_names(root):
    with pytest.raises(ZooError, match="class_names='cat' must be a list, each a text"):
        opened(root, class_names="cat")


def test_an_image_of_a_strange_class_is_left_out_as_a_whole(root, caplog):
    source = opened(root, class_names=["ant", "bee"], on_error="skip")
    assert [source.id(index) for index in range(len(source))] == ["ant/2.png"]
    assert "unknown class 'cat'" in caplog.text


def test_folders_inside_that_of_a_class(root):
    write(root, "train/cat/big/4.png")
    source = opened(root)
    assert source.id(2) == "cat/big/4.png" and source.labels(2).classes == [2]
    assert source.class_names == ["ant", "bee", "cat"]


def test_hidden_folders_are_no_classes(root, caplog):
    write(root, "train/.ipynb_checkpoints/1-checkpoint.png")
    source = opened(root)
    assert source.class_names == ["ant", "bee", "cat"] and len(source) == 2
    assert "1 files or folders were passed over" in caplog.text
    assert ".ipynb_checkpoints (a hidden folder)" in caplog.text


def test_an_image_in_no_folder_of_a_class(root, caplog):
    write(root, "train/5.png")
    assert len(opened(root)) == 2
    assert "train/5.png (in no folder of a class)" in caplog.text


def test_images_that_are_not_read_are_counted(root, caplog):
    for name in ("6.gif", "7.JFIF"):
        (root / "train" / "cat" / name).write_bytes(b"an image")
    assert len(opened(root)) == 2
    assert "folders" in caplog.text and "2 files or folders were passed over" in caplog.text
    assert "6.gif (a format that is not read)" in caplog.text


def test_nothing_is_said_of_sound_folders(root, caplog):
    opened(root)  # though there is a text file
    assert not caplog.records


def test_links_to_folders_are_followed_once(tmp_path):
    write(tmp_path, "elsewhere/a.png")
    write(tmp_path, "images/z/b.png")
    for link, target in enumerate(("images", "images/z", "elsewhere", "elsewhere")):
        (tmp_path / "images" / str(link)).symlink_to(tmp_path / target)
    lint = Lint("links", "error")
    found = image_files(tmp_path / "images", lint)
    # the folder z goes by its own name, that elsewhere by the first of its links
    names = [str(path.relative_to(tmp_path / "images")) for path in found]
    assert names == ["2/a.png", "z/b.png"]
    assert len(lint.passed_over) == 3 and all("is listed" in line for line in lint.passed_over)


def test_a_classifier_is_evaluated_on_images_of_its_classes_alone(root):
    backbone = {"name": "cspdarknet_tiny", "stem": 4, "widths": [4, 8, 8]}
    cfg = {"name": "tiny", "image_size": [64, 64], "backbone": backbone}
    with pytest.raises(ZooError, match=r"class 'bee', which the model does not know; .* bees"):
        accuracy(BackboneClassifier(cfg, ["ant", "bees", "cat"]), opened(root))
    boxes = open_source({"name": "shapes", "held_out": 40, "seed": 1}, "val")
    with pytest.raises(ZooError, match=r"image 0 has \d boxes; .*data=folders"):
        accuracy(BackboneClassifier(cfg, boxes.class_names), boxes)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_cannot_be_read(root, caplog):
    (root / "train" / "cat").chmod(0)
    try:
        with pytest.raises(ZooError, match=r"folder .*train/cat cannot be read: Permission denied"):
            opened(root)
        assert len(opened(root, on_error="skip")) == 1 and "train/cat" in caplog.text
    finally:
        (root / "train" / "cat").chmod(0o755)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
@pytest.mark.parametrize("name", ["folders", "coco_json", "voc"])
def test_a_root_that_cannot_be_read(root, name):
    (root / "ImageSets" / "Main").mkdir(parents=True)
    root.chmod(0)
    try:
        with pytest.raises(ZooError, match=rf"^data: {root}.* cannot be read: Permission denied"):
            open_source({"name": name, "root": str(root)}, "train")
    finally:
        root.chmod(0o755)
