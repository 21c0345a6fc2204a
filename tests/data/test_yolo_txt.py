import cv2
import numpy as np
import pytest

from zoo.data.sources import open_source
from zoo.errors import ZooError
from zoo.training.data_record import image_digests

YAML = "names: [ant, bee]\ntrain: images/train\nval: images/val\n"


@pytest.fixture
def folder(tmp_path):
    """Two images: one with a box, one of background."""
    (tmp_path / "data.yaml").write_text(YAML)
    add(tmp_path / "images/train/a.png", tmp_path / "labels/train/a.txt", "1 0.5 0.5 0.5 0.25\n")
    add(tmp_path / "images/train/b.png", tmp_path / "labels/train/b.txt", "")
    return tmp_path


def add(image, labels, text):
    for file in (image, labels):
        file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(image), np.zeros((40, 80, 3), np.uint8))
    labels.write_text(text)


def opened(root, split="train", **keys):
    return open_source({"name": "yolo", "root": str(root)} | keys, split)


def test_boxes_are_relative_centres_and_sizes(folder):
    source = opened(folder)
    assert source.class_names == ["ant", "bee"] and source.id(0) == "images/train/a.png"
    np.testing.assert_allclose(source.labels(0).boxes, [[20, 15, 60, 25]])
    assert source.labels(0).classes == [1] and len(source.labels(1)) == 0


def test_names_as_a_mapping_and_a_path(folder):
    (folder / "data.yaml").write_text("path: images\nnames: {0: ant, 1: bee}\ntrain: [train]\n")
    assert len(opened(folder)) == 2


def test_names_of_a_mapping_go_by_their_numbers(folder):
    (folder / "data.yaml").write_text("names: {1: bee, 0: ant}\ntrain: images/train\n")
    assert opened(folder).class_names == ["ant", "bee"]


def test_labels_are_beside_the_last_folder_of_images(tmp_path):
    root = tmp_path / "images" / "mine"
    add(root / "images/a.png", root / "labels/a.txt", "0 .5 .5 1 1")
    (root / "data.yaml").write_text("names: [ant]\ntrain: images\n")
    assert len(opened(root).labels(0)) == 1


def test_darknet_layout(tmp_path):
    (tmp_path / "obj.names").write_text("ant\nbee\n")
    text = "classes = 2\ntrain = train.txt # of all\nnames = obj.names\n"
    (tmp_path / "obj.data").write_text(text)
    (tmp_path / "train.txt").write_text("obj/a.png\n")
    add(tmp_path / "obj/a.png", tmp_path / "obj/a.txt", "0 .5 .5 1 1")
    source = opened(tmp_path)
    np.testing.assert_allclose(source.labels(0).boxes, [[0, 0, 80, 40]])
    assert source.class_names == ["ant", "bee"]


def test_darknets_layout_of_voc(tmp_path):
    add(tmp_path / "VOC2007/JPEGImages/a.png", tmp_path / "VOC2007/labels/a.txt", "1 .5 .5 1 1")
    (tmp_path / "voc.names").write_text("ant\nbee\n")
    (tmp_path / "voc.data").write_text("train = train.txt\nnames = voc.names\n")
    (tmp_path / "train.txt").write_text(f"{tmp_path}/VOC2007/JPEGImages/a.png\n")
    assert opened(tmp_path).labels(0).classes == [1]


@pytest.mark.parametrize("place", ["", "data"])
def test_paths_from_where_darknet_is_started(tmp_path, monkeypatch, place):
    """As `darknet detector train data/obj.data …` beside `data` reads them."""
    add(tmp_path / "data/obj/a.png", tmp_path / "data/obj/a.txt", "1 .5 .5 1 1")
    (tmp_path / "data/obj.names").write_text("ant\nbee\n")
    (tmp_path / "data/obj.data").write_text("train = data/train.txt\nnames = data/obj.names\n")
    (tmp_path / "data/train.txt").write_text("data/obj/a.png\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / (place or "elsewhere"))
    source = opened("." if place else tmp_path / "data")
    assert source.labels(0).classes == [1] and source.id(0) == "obj/a.png"


def test_a_list_that_was_written_on_windows(tmp_path):
    add(tmp_path / "obj/my a.png", tmp_path / "obj/my a.txt", "1 .5 .5 1 1")
    (tmp_path / "obj.names").write_text("ant\nbee\n")
    (tmp_path / "obj.data").write_text("train = a.txt\nvalid = b.txt\nnames = obj.names\n")
    (tmp_path / "a.txt").write_text("obj\\my a.png\r\n")
    (tmp_path / "b.txt").write_text("C:\\data\\obj\\my a.png\r\n")
    assert opened(tmp_path).labels(0).classes == [1]
    with pytest.raises(ZooError, match=r"data\\obj\\my a\.png is missing: .*written on Windows"):
        opened(tmp_path, "val")


def test_labels_of_two_files_that_differ(folder):
    beside = folder / "images/train/a.txt"
    beside.write_text("1 0.5 0.5 0.5 0.25")  # but for the end of the line
    assert len(opened(folder).labels(0)) == 1
    beside.write_text("0 0.5 0.5 0.5 0.25\n")
    with pytest.raises(ZooError, match=r"labels/train/a\.txt and others in .*train/a\.txt; rem"):
        opened(folder)
    assert len(opened(folder, on_error="skip")) == 1


def test_all_background_is_a_mistake(folder, caplog):
    caplog.set_level("INFO")
    (folder / "labels/train/b.txt").unlink()
    opened(folder, missing_labels="background")
    assert "1 of 2 images without a text file of labels are background" in caplog.text
    (folder / "labels").rename(folder / "label")
    with pytest.raises(ZooError, match=r"no image has .*all would be background; .*a\.txt and"):
        opened(folder, missing_labels="background")


def test_a_missing_text_file_is_an_error_unless_stated_otherwise(folder):
    (folder / "labels/train/b.txt").unlink()
    with pytest.raises(ZooError, match=r"b\.png has no text file .*missing_labels=background"):
        opened(folder)
    assert len(opened(folder, missing_labels="background").labels(1)) == 0
    assert len(opened(folder, on_error="skip")) == 1


@pytest.mark.parametrize("line, message", [
    ("1 .5 .5 .5", "line 2 is not `class cx cy w h`: '1 .5 .5 .5'"),
    ("1 a b c d", "line 2 is not `class cx cy w h`"),
    ("2 .5 .5 .5 .5", "line 2 is of the unknown class 2; there are: 0, 1"),
    ("0 nan .5 .5 .5", "line 2: box .* is not finite"),
    ("0 .9 .5 .5 .5", "line 2: box .* sticks out of its image of 80×40 by 12 pixels"),
    ("0 .5 .5 0 .5", "line 2: box .* has no area"),
])  # fmt: skip
def test_bad_line(folder, line, message):
    (folder / "labels/train/a.txt").write_text(f"0 .5 .5 .5 .5\n{line}\n")
    with pytest.raises(ZooError, match=rf"a\.txt: {message}"):
        opened(folder)


@pytest.mark.parametrize("text, message", [
    ("train: images/train", "needs `names`"),
    ("names: [ant]\nval: images/val", "no split 'train' .*there are: val"),
    ("names: [ant]\ntrain: pictures", "pictures, split 'train' .*is missing"),
    ("names: [ant]\ntrain: labels", "split 'train' .*is empty"),
    ("names: [ant", "is not YAML"),
    ("names: [ant, ant]\ntrain: images/train", "several classes are called 'ant'"),
    ("names: [yes, no]\ntrain: images/train", "class 0 is called True; .* in quotes"),
    ("names: [ant, null]\ntrain: images/train", "class 1 is called None"),
    ("names: {0: ant, x: bee}\ntrain: images/train", "needs `names`: .* mapping from 0, 1, 2"),
    ("names: [ant]\nnc: 3\ntrain: images/train", "says nc=3, but `names` has 1 classes"),
])  # fmt: skip
def test_bad_description(folder, text, message):
    (folder / "data.yaml").write_text(text)
    with pytest.raises(ZooError, match=message):
        opened(folder)


def test_no_description(tmp_path):
    with pytest.raises(ZooError, match=r"has neither data\.yaml nor a Darknet \.data file"):
        opened(tmp_path)


def test_numbers_are_names(folder):
    (folder / "data.yaml").write_text("names: [7, 8]\nnc: 2\ntrain: images/train\n")
    assert opened(folder).class_names == ["7", "8"]


def test_numbers_are_names_as_they_are_written(folder):
    written = ["1.0", "1.10", "2", "007", "0x1F", "1_000", "1e3"]
    names = f"[{', '.join(written)}]"
    (folder / "data.yaml").write_text(f"names: {names}\nnc: 7\ntrain: images/train\n")
    assert opened(folder).class_names == written
    pairs = ", ".join(f"{6 - index}: {name}" for index, name in enumerate(reversed(written)))
    (folder / "data.yaml").write_text(f"names: {{{pairs}}}\ntrain: images/train\n")
    assert opened(folder).class_names == written


@pytest.mark.parametrize("names, classes, message", [
    ("ant\n\nbee\n", 3, r"obj\.names: line 2 is empty, which would be class 1"),
    ("\nant\nbee\n", 3, r"obj\.names: line 1 is empty, which would be class 0"),
    ("ant\nbee\n", 3, r"obj\.data says classes=3, but .*obj\.names has 2 classes"),
])  # fmt: skip
def test_names_that_would_be_those_of_other_classes(folder, names, classes, message):
    (folder / "data.yaml").unlink()
    (folder / "obj.names").write_text(names)
    described = f"classes = {classes}\ntrain = images/train\nnames = obj.names\n"
    (folder / "obj.data").write_text(described)
    with pytest.raises(ZooError, match=message):
        opened(folder)


def test_empty_lines_after_the_names_are_none(folder):
    (folder / "data.yaml").unlink()
    (folder / "obj.names").write_text("ant \nbee\n \n\n")
    (folder / "obj.data").write_text("train = images/train\nnames = obj.names\n")
    assert opened(folder).class_names == ["ant", "bee"]


def test_ids_are_the_same_from_wherever_the_folder_is_named(folder, monkeypatch):
    """A list of absolute paths, and `data.root` in three ways."""
    (folder / "list.txt").write_text(f"{folder}/images/train/a.png\n{folder}/images/train/b.png\n")
    (folder / "data.yaml").write_text("names: [ant, bee]\ntrain: list.txt\n")
    (folder.parent / "work").mkdir()
    found = {}
    for place, root in (
        (folder, folder),
        (folder, "."),
        (folder.parent / "work", "../" + folder.name),
    ):
        monkeypatch.chdir(place)
        source = opened(root)
        found[str(root)] = source.fingerprint
        assert source.id(0) == "images/train/a.png"
    assert len(set(found.values())) == 1 and len(found) == 3


def test_a_path_in_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    (folder / "data.yaml").write_text(
        f"path: ~/{folder.name}\nnames: [ant, bee]\ntrain: images/train\n"
    )
    (folder / "sub").mkdir()
    (folder / "data.yaml").rename(folder / "sub" / "data.yaml")
    assert opened(folder / "sub").id(0) == "images/train/a.png"


def test_a_link_to_a_folder_of_images_is_followed(folder):
    images = "images/train"
    (folder / "more").mkdir()
    (folder / images / "b.png").rename(folder / "more" / "b.png")
    (folder / "labels/train/b.txt").rename(folder / "more" / "b.txt")
    (folder / images / "more").symlink_to(folder / "more")
    source = opened(folder)
    assert [source.id(i) for i in range(2)] == [f"{images}/a.png", f"{images}/more/b.png"]


def test_images_that_are_not_read_are_counted(folder, caplog):
    (folder / "images/train/c.gif").write_bytes(b"GIF89a")
    assert len(opened(folder)) == 2
    assert "1 files or folders were passed over" in caplog.text and "c.gif" in caplog.text


def test_images_that_are_not_read_are_named_where_there_are_no_others(folder, caplog):
    for image in (folder / "images/train").iterdir():
        image.rename(image.with_suffix(".gif"))
    with pytest.raises(ZooError, match=r"split 'train' .*is empty"):
        opened(folder)
    assert "2 files or folders were passed over; the first is " in caplog.text


def test_images_of_one_name_outside_the_folder(folder):
    """A name alone is the id as long as it is the only one; then a path from the folder is."""
    for place in "pq":
        add(folder.parent / place / "a.png", folder.parent / place / "a.txt", "")
    add(folder.parent / "p" / "c.png", folder.parent / "p" / "c.txt", "")
    names = f"[{folder.parent}/p, {folder.parent}/q]"
    (folder / "data.yaml").write_text(f"names: [ant, bee]\ntrain: {names}\n")
    source = opened(folder)
    assert [source.id(i) for i in range(3)] == ["../p/a.png", "c.png", "../q/a.png"]
    assert image_digests(source).keys() == {"../p/a.png", "c.png", "../q/a.png"}


def test_an_image_that_is_listed_twice_is_seen_twice(folder):
    (folder / "list.txt").write_text("images/train/a.png\nimages/train/b.png\n" * 2)
    (folder / "data.yaml").write_text("names: [ant, bee]\ntrain: list.txt\n")
    source = opened(folder)
    ids = [source.id(index) for index in range(len(source))]
    again = ["images/train/a.png #2", "images/train/b.png #2"]
    assert ids == ["images/train/a.png", "images/train/b.png", *again]


def test_labels_with_a_suffix_in_capitals(folder):
    (folder / "labels/train/a.txt").rename(folder / "labels/train/a.TXT")
    assert len(opened(folder, missing_labels="background").labels(0)) == 1
