import cv2
import numpy as np
import pytest

from zoo.data.sources import open_source
from zoo.errors import ZooError

OBJECT = """<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>
<xmin>{box[0]}</xmin><ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax>
</bndbox></object>"""


def write(root, stem="one", box=(1, 1, 10, 20), name="cat", difficult=0, split="train"):
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(root / "JPEGImages" / f"{stem}.jpg"), np.zeros((40, 60, 3), np.uint8))
    size = "<size><width>60</width><height>40</height><depth>3</depth></size>"
    body = OBJECT.format(box=box, name=name, difficult=difficult) if box else ""
    (root / "Annotations" / f"{stem}.xml").write_text(f"<annotation>{size}{body}</annotation>")
    with (root / "ImageSets" / "Main" / f"{split}.txt").open("a") as file:
        file.write(f"{stem}\n")
    return root


def opened(root, split="train", **keys):
    return open_source({"name": "voc", "root": str(root)} | keys, split)


def test_pixels_count_from_one_and_both_ends_are_inside(tmp_path):
    """xmin = xmax = 1 is the first column alone: [0, 1] in continuous coordinates."""
    source = opened(write(tmp_path, box=(1, 1, 1, 40)))
    np.testing.assert_array_equal(source.labels(0).boxes, [[0, 0, 1, 40]])
    assert source.id(0) == "one" and source.category_ids == [1]


def test_zero_based_files_are_clipped_by_their_one_pixel(tmp_path, caplog):
    source = opened(write(tmp_path, box=(0, 0, 10, 20)))
    np.testing.assert_array_equal(source.labels(0).boxes, [[0, 0, 10, 20]])
    assert "1 boxes stuck out of their image" in caplog.text


def test_classes_are_those_of_all_splits(tmp_path):
    write(tmp_path, name="cat")
    write(tmp_path, stem="two", name="ant", split="val")
    source = opened(tmp_path)
    assert source.class_names == ["ant", "cat"] and source.labels(0).classes == [1]


def test_difficult_is_crowd(tmp_path):
    assert opened(write(tmp_path, difficult=1)).labels(0).crowd == [True]


def test_background(tmp_path):
    write(tmp_path)
    write(tmp_path, stem="two", box=None)
    assert len(opened(tmp_path).labels(1)) == 0


def test_stated_classes(tmp_path):
    write(tmp_path)
    with pytest.raises(ZooError, match=r"one\.xml: object 1 is of the unknown class 'cat'"):
        opened(tmp_path, class_names=["dog"])


def test_roles_have_names_in_the_data_set(tmp_path):
    write(tmp_path, split="trainval")
    assert len(opened(tmp_path, "train", train="trainval")) == 1


@pytest.mark.parametrize("box, message", [
    ((1, 1, "nan", 9), "is not finite"),
    ((9, 1, 8, 9), "has no area"),
    ((1, 1, 70, 9), "sticks out of its image of 60×40 by 10 pixels"),
])  # fmt: skip
def test_bad_box(tmp_path, box, message):
    write(tmp_path, box=box)
    with pytest.raises(ZooError, match=rf"one\.xml: object 1: box .* {message}"):
        opened(tmp_path)


def test_a_box_that_is_no_number(tmp_path):
    write(tmp_path, box=(1, 1, "?", 9))
    with pytest.raises(ZooError, match=r"one\.xml: object 1 needs four numbers"):
        opened(tmp_path)


@pytest.mark.parametrize("file, content, message", [
    ("Annotations/one.xml", "<annotation>", r"one\.xml is not XML"),
    ("Annotations/one.xml", None, r"one\.xml cannot be read: No such file"),
    ("JPEGImages/one.jpg", None, r"one\.jpg of .*one\.xml is missing"),
    ("JPEGImages/one.jpg", "text", r"one\.jpg is no image"),
    ("ImageSets/Main/train.txt", "", r"train\.txt is empty"),
])  # fmt: skip
def test_bad_file(tmp_path, file, content, message):
    write(tmp_path)
    write(tmp_path, stem="two", split="val")
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_text(content)
    with pytest.raises(ZooError, match=message):
        opened(tmp_path)


def test_truncated_jpeg_is_found_at_the_start(tmp_path, caplog):
    write(tmp_path)
    write(tmp_path, stem="two")
    image = tmp_path / "JPEGImages" / "two.jpg"
    image.write_bytes(image.read_bytes()[:-10])
    with pytest.raises(ZooError, match=r"two\.jpg is a truncated JPEG"):
        opened(tmp_path)
    assert len(opened(tmp_path, on_error="skip")) == 1 and "two.jpg" in caplog.text


def test_unknown_split(tmp_path):
    with pytest.raises(ZooError, match=r"no split 'trian' .*did you mean train"):
        opened(write(tmp_path), train="trian")


@pytest.mark.parametrize("split, images", [("trainval", 292), ("test", 72)])
def test_bccd_is_without_fault(data_dir, split, images):
    source = opened(data_dir / "bccd", train=split)
    assert len(source) == images
    assert source.class_names == ["Platelets", "RBC", "WBC"]


@pytest.mark.parametrize("names", [["cat", "cat"], "cat", 3])
def test_bad_names(tmp_path, names):
    with pytest.raises(ZooError, match=r"voc.*(are called 'cat'|must be a list)"):
        opened(write(tmp_path), class_names=names)


@pytest.mark.parametrize("declared, written", [
    ("ISO-8859-1", "latin-1"),
    ("UTF-16", "utf-16"),
    ("UTF-8", "utf-8-sig"),
    pytest.param("GB2312", "utf-8", id="a tool that says one thing and does another"),
])  # fmt: skip
def test_encodings(tmp_path, declared, written):
    file = write(tmp_path, name="pâté") / "Annotations" / "one.xml"
    text = f'<?xml version="1.0" encoding="{declared}"?>{file.read_text()}'
    file.write_bytes(text.encode(written))
    assert opened(tmp_path).class_names == ["pâté"]
    assert len(opened(tmp_path, class_names=["pâté"]).labels(0)) == 1


@pytest.mark.parametrize("declared", ["GB2312", "unheard-of"])
def test_an_encoding_that_is_not_known(tmp_path, declared):
    file = write(tmp_path, name="?") / "Annotations" / "one.xml"
    text = f'<?xml version="1.0" encoding="{declared}"?>{file.read_text()}'
    file.write_bytes(text.encode().replace(b"?</name>", b"\xff</name>"))
    with pytest.raises(ZooError, match=r"one\.xml is not XML: .*encoding"):
        opened(tmp_path, class_names=["cat"])


@pytest.mark.parametrize("stem", ["my image", "image 1"])
def test_a_stem_with_spaces(tmp_path, stem):
    source = opened(write(tmp_path, stem=stem))
    assert (len(source), source.id(0)) == (1, stem)


def test_the_second_column_of_a_list_of_one_class(tmp_path):
    write(tmp_path)
    (tmp_path / "ImageSets/Main/cat_train.txt").write_text("one -1\n")
    assert opened(tmp_path, train="cat_train").id(0) == "one"


def test_a_folder_with_the_name_of_an_annotation_file(tmp_path):
    (write(tmp_path) / "Annotations" / "two.xml").mkdir()
    assert len(opened(tmp_path)) == 1
    (tmp_path / "ImageSets/Main/train.txt").write_text("two\n")
    with pytest.raises(ZooError, match=r"two\.xml cannot be read: Is a directory"):
        opened(tmp_path)


def test_two_images_of_one_stem(tmp_path):
    write(tmp_path)
    (tmp_path / "JPEGImages" / "one.png").write_bytes(b"another image")
    with pytest.raises(ZooError, match=r"one\.xml: which image is it of, one\.jpg or one\.png\?"):
        opened(tmp_path)


def test_a_stem_that_is_listed_twice(tmp_path, caplog):
    write(tmp_path)
    write(tmp_path)
    with pytest.raises(ZooError, match=r"^voc .* train: image 'one' is listed twice"):
        opened(tmp_path)
    assert len(opened(tmp_path, on_error="skip")) == 1 and "1 faults left out" in caplog.text


def test_a_folder_that_is_no_voc_is_named(tmp_path):
    with pytest.raises(ZooError, match=f"no folder {tmp_path}/ImageSets/Main; data.root is the"):
        opened(tmp_path)


def test_difficult_is_0_or_1(tmp_path):
    write(tmp_path, difficult="true")
    with pytest.raises(ZooError, match=r"object 1 has <difficult>true</difficult>; it is 0 or 1"):
        opened(tmp_path)
