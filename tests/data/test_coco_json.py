import gc
import json
import logging

import cv2
import numpy as np
import pytest

from zoo.data.sources import open_source
from zoo.errors import ZooError

CATEGORIES = [{"id": 9, "name": "cup"}, {"id": 4, "name": "ant"}]
BOX = {"id": 70, "image_id": 5, "category_id": 9, "bbox": [1, 2, 10, 20], "area": 150.0}


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "val")


def write(root, annotations=(BOX,), folder="images", json_file="instances.json", **changes):
    (root / folder).mkdir(parents=True, exist_ok=True)
    (root / json_file).parent.mkdir(exist_ok=True)
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(root / folder / name), np.zeros((40, 60, 3), np.uint8))
    content = {
        "images": [
            {"id": 5, "file_name": "a.png", "height": 40, "width": 60},
            {"id": 3, "file_name": "b.png", "height": 40, "width": 60},
        ],
        "annotations": list(annotations),
        "categories": CATEGORIES,
    } | changes
    (root / json_file).write_text(json.dumps(content))
    return root


def opened(root, split="val", **keys):
    return open_source({"name": "coco_json", "root": str(root)} | keys, split)


def test_labels(folder):
    source = opened(folder)
    assert (source.class_names, source.category_ids) == (["ant", "cup"], [4, 9])
    assert [source.id(i) for i in range(len(source))] == [5, 3]
    labels = source.labels(0)
    np.testing.assert_array_equal(labels.boxes, [[1, 2, 11, 22]])
    assert (labels.classes, labels.crowd, labels.area) == ([1], [False], [150])
    assert source.size(0) == (40, 60) and source.image(0).shape == (40, 60, 3)
    assert len(source.labels(1)) == 0  # a background image


def test_crowd(tmp_path):
    assert opened(write(tmp_path, [BOX | {"iscrowd": 1}])).labels(0).crowd == [True]


def test_area_of_the_box_where_none_is_stated(tmp_path):
    box = {key: value for key, value in BOX.items() if key != "area"}
    assert opened(write(tmp_path, [box])).labels(0).area == [200]


def test_layouts(tmp_path):
    split = opened(write(tmp_path / "a" / "val").parent)
    official = opened(
        write(tmp_path / "b", folder="val2017", json_file="annotations/instances_val2017.json")
    )
    assert split.fingerprint == official.fingerprint
    for name in ("val2014", "val"):
        root = write(tmp_path / f"as {name}", folder=name,
                     json_file=f"annotations/instances_{name}.json")  # fmt: skip
        assert opened(root).fingerprint == split.fingerprint
    with pytest.raises(ZooError, match=r"split 'train' .*annotations/instances_train2017\.json"):
        opened(tmp_path / "b", "train")


def test_names_that_are_given_go_before_cocos_own_layout(tmp_path):
    write(tmp_path, folder="val2017", json_file="annotations/instances_val2017.json")
    with pytest.raises(ZooError, match=r"split 'val' .*looked for val/my\.json, my\.json$"):
        opened(tmp_path, annotations="my.json")
    with pytest.raises(ZooError, match=r"the folder of images .*/pictures of .* is missing"):
        opened(tmp_path, images="pictures")
    write(tmp_path, [], folder="pictures", json_file="my.json")
    assert opened(tmp_path, images="pictures").path(0) == tmp_path / "pictures" / "a.png"
    assert len(opened(tmp_path, annotations="my.json", images="pictures").labels(0)) == 0
    assert len(opened(tmp_path).labels(0)) == 1


@pytest.mark.parametrize(
    "change", [{"bbox": [1, 2, 10, 21]}, {"category_id": 4}, {"iscrowd": 1}, {"area": 151.0}]
)
def test_fingerprint_sees_a_changed_label(tmp_path, change):
    first = opened(write(tmp_path / "a")).fingerprint
    assert opened(write(tmp_path / "b")).fingerprint == first
    assert opened(write(tmp_path / "c", [BOX | change])).fingerprint != first


def test_fingerprint_sees_names_ids_and_files(tmp_path):
    first = opened(write(tmp_path / "a")).fingerprint
    cup, ant = CATEGORIES
    for folder, categories in (("b", [cup, ant | {"name": "bee"}]), ("c", [cup, ant | {"id": 5}])):
        assert opened(write(tmp_path / folder, categories=categories)).fingerprint != first
    images = [{"id": 5, "file_name": "a.png"}, {"id": 4, "file_name": "b.png"}]
    assert opened(write(tmp_path / "d", images=images)).fingerprint != first
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    cv2.imwrite(str(write(tmp_path / "e") / "images" / "b.png"), noise)
    assert opened(tmp_path / "e").fingerprint != first


@pytest.mark.parametrize("change, message", [
    ({"bbox": [1, 2, float("nan"), 4]}, "annotation 70: box .* is not finite"),
    ({"bbox": [50, 2, 30, 4]}, "annotation 70: box .* sticks out .* by 20 pixels"),
    ({"bbox": [1, 2, 0, 4]}, "annotation 70: box .* has no area"),
    ({"bbox": [1, 2, 3]}, "annotation 70 needs `bbox` as four numbers"),
    ({"bbox": "1234"}, r"annotation 70 needs `bbox` \(list\), not '1234'"),
    ({"bbox": [10**400, 2, 3, 4]}, "annotation 70 needs `bbox` as four numbers"),
    ({"area": float("nan")}, "annotation 70 has area nan"),
    ({"area": -1}, "annotation 70 has area -1"),
    ({"area": 10**400}, "annotation 70 has area 1000"),
    ({"area": "150"}, "annotation 70 has area '150'"),
    ({"iscrowd": "0"}, "annotation 70 has iscrowd '0', not 0 or 1"),
    ({"image_id": [5]}, r"annotation number 0 needs `image_id` \(int or float or str\), not \[5\]"),
    ({"category_id": [9]}, r"annotation 70 needs `category_id` .*, not \[9\]"),
    ({"category_id": 8}, "annotation 70 is of the unknown class 8; there are: 4, 9"),
    ({"image_id": 8}, "annotation 70 is of the unknown image 8"),
])  # fmt: skip
def test_bad_annotation(tmp_path, caplog, change, message):
    write(tmp_path, [BOX | change])
    with pytest.raises(ZooError, match=rf"instances\.json: {message}"):
        opened(tmp_path)
    with caplog.at_level(logging.WARNING):
        source = opened(tmp_path, on_error="skip")
    assert len(source.labels(0)) == 0 and "1 faults left out" in caplog.text


def test_missing_image(folder, caplog):
    (folder / "images" / "b.png").unlink()
    with pytest.raises(ZooError, match=r"image .*b\.png of .*instances\.json is missing"):
        opened(folder)
    assert len(opened(folder, on_error="skip")) == 1 and "b.png" in caplog.text


def test_corrupt_image(folder, caplog):
    (folder / "images" / "b.png").write_bytes(b"nothing")
    source = opened(folder)  # thousands of files are not opened at the start …
    with pytest.raises(ZooError, match=r"b\.png is no image"):
        source.image(1)
    assert len(opened(folder, on_error="skip")) == 1 and "b.png" in caplog.text  # … unless asked


def test_image_of_another_size(folder):
    cv2.imwrite(str(folder / "images" / "a.png"), np.zeros((60, 40, 3), np.uint8))
    with pytest.raises(ZooError, match=r"a\.png is 40×60, but its labels are for 60×40"):
        opened(folder).image(0)


@pytest.mark.parametrize("changes, message", [
    ({"images": []}, "has no images"),
    ({"images": None}, "no list 'images'"),
    ({"categories": [{"id": 1}]}, r"category number 0 needs `name` \(str\), not None"),
    ({"categories": [{"id": 1, "name": 7}]}, r"category number 0 needs `name` \(str\), not 7"),
    ({"categories": [{"id": "1", "name": "ant"}]}, r"number 0 needs `id` \(int\), not '1'"),
    ({"categories": [None]}, "category number 0 is no mapping: None"),
    ({"categories": [{"id": 1, "name": "ant"}, {"id": 1, "name": "cup"}]}, "as 'ant' has"),
    ({"categories": [{"id": 1, "name": "ant"}, {"id": 3, "name": "ant"}]}, "are called 'ant'"),
    ({"categories": [{"id": 1, "name": ""}]}, "class 0 is called ''"),
])  # fmt: skip
def test_bad_file(tmp_path, changes, message):
    write(tmp_path, (), **changes)
    with pytest.raises(ZooError, match=message):
        opened(tmp_path)


def test_not_json(folder):
    (folder / "instances.json").write_text("{")
    with pytest.raises(ZooError, match=r"instances\.json is not JSON"):
        opened(folder)
    (folder / "instances.json").write_bytes(b"\xff")
    with pytest.raises(ZooError, match=r"^annotation file .*instances\.json is not UTF-8 text$"):
        opened(folder)


def test_no_folder(tmp_path):
    with pytest.raises(ZooError, match=r"data\.root=.*nowhere is no folder"):
        opened(tmp_path / "nowhere")


def test_no_such_role(folder):
    with pytest.raises(ZooError, match="no split 'vall'; did you mean val"):
        opened(folder, "vall")


@pytest.mark.parametrize("split, images, objects", [("train", 294, None), ("val", 92, 868)])
def test_coco_mini_is_without_fault(data_dir, split, images, objects):
    source = opened(data_dir / "coco_mini", split)
    assert len(source) == images and source.category_ids[-1] == 90
    if objects:
        assert sum(len(source.labels(i)) for i in range(images)) == objects


@pytest.mark.parametrize("entry", [None, [], "text"])
def test_an_annotation_that_is_no_mapping(tmp_path, caplog, entry):
    write(tmp_path, [BOX, entry])
    with pytest.raises(ZooError, match="annotation number 1 is no mapping"):
        opened(tmp_path)
    assert len(opened(tmp_path, on_error="skip").labels(0)) == 1
    assert "1 faults left out" in caplog.text


@pytest.mark.parametrize("change, message", [
    ({"id": [5]}, r"image number 0 needs `id` .*, not \[5\]"),
    ({"file_name": 5}, r"image number 0 needs `file_name` \(str\), not 5"),
    ({"height": None}, "image 5 has height None and width 60"),
    ({"height": "40"}, "image 5 has height '40' and width 60"),
    ({"width": 0}, "image 5 has height 40 and width 0"),
    ({"width": 60.5}, "image 5 has height 40 and width 60.5"),
    ({"width": float("nan")}, "image 5 has height 40 and width nan"),
    ({"id": 3}, r"coco_json .*: image 3 is listed twice, the second time for .*b\.png"),
])  # fmt: skip
def test_bad_image(tmp_path, caplog, change, message):
    first = {"id": 5, "file_name": "a.png", "height": 40, "width": 60} | change
    second = {"id": 3, "file_name": "b.png", "height": 40, "width": 60}
    write(tmp_path, (), images=[first, second])
    with pytest.raises(ZooError, match=message):
        opened(tmp_path)
    assert len(opened(tmp_path, on_error="skip")) == 1 and "1 faults left out" in caplog.text


def test_an_image_that_is_no_mapping(tmp_path):
    write(tmp_path, (), images=[None])
    with pytest.raises(ZooError, match="image number 0 is no mapping: None"):
        opened(tmp_path)


def test_sizes_are_whole_numbers_or_those_of_the_files(tmp_path):
    images = [
        {"id": 5, "file_name": "a.png", "height": 40.0, "width": 60.0},
        {"id": 3, "file_name": "b.png"},
    ]
    source = opened(write(tmp_path, images=images))
    assert [source.size(i) for i in range(2)] == [(40, 60), (40, 60)]
    assert all(type(side) is int for side in source.size(0))


def test_each_annotation_of_an_unknown_image_is_a_fault(tmp_path, caplog):
    opened(write(tmp_path, [BOX | {"image_id": 8}] * 5), on_error="skip")
    assert "5 faults left out" in caplog.text


def test_a_number_too_long_to_read(folder):
    (folder / "instances.json").write_text('{"images": [' + "1" * 5000 + "]}")
    with pytest.raises(ZooError, match=r"instances\.json is not JSON: Exceeds the limit"):
        opened(folder)


def test_polygons_are_not_kept_and_garbage_is_not_collected_meanwhile(tmp_path, monkeypatch):
    write(tmp_path, [{**BOX, "segmentation": [[1, 1, 9, 1, 9, 9]]}])
    seen = []
    decode = json.loads

    def watched(text, **options):
        seen.append((gc.isenabled(), content := decode(text, **options)))
        return content

    monkeypatch.setattr("zoo.data.sources.coco.json.loads", watched)
    assert len(opened(tmp_path).labels(0)) == 1
    ((collects, content),) = seen
    assert "segmentation" not in content["annotations"][0]
    assert not collects and gc.isenabled()
