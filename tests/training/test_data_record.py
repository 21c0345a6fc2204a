import hashlib
import json
import shutil

import cv2
import keras
import numpy as np
import pytest
from manifests import manifest

from zoo.data.sources import open_source
from zoo.errors import ZooError
from zoo.training.checkpoint import Checkpoint
from zoo.training.data_record import FILE, changes, image_digests, summary
from zoo.training.manifest import write_manifest
from zoo.training.record import RunRecord


def write(path, grey):
    """A picture of one colour, in as many bytes whatever the colour: not compressed."""
    pixels = np.full((32, 32, 3), grey, "uint8")
    cv2.imwrite(str(path), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 0])


@pytest.fixture
def folder(tmp_path):
    """Three pictures of one box each, as `data=yolo` takes them."""
    for number in range(3):
        for part in ("images", "labels"):
            (tmp_path / part / "train").mkdir(parents=True, exist_ok=True)
        write(tmp_path / "images" / "train" / f"{number}.png", number)
        (tmp_path / "labels" / "train" / f"{number}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "data.yaml").write_text("path: .\ntrain: images/train\nnames: [cell]\n")
    return tmp_path


def digests(folder):
    source = open_source({"name": "yolo", "root": str(folder)}, "train")
    return image_digests(source), source


def test_a_changed_label_a_changed_pixel_and_a_lost_image_are_named(folder):
    before, _ = digests(folder)
    assert len(before) == 3
    assert changes({"train": before}, {"train": digests(folder)[0]}) == []
    (folder / "labels" / "train" / "0.txt").write_text("0 0.5 0.5 0.5 0.25\n")
    shutil.copy(folder / "images" / "train" / "0.png", folder / "images" / "train" / "1.png")
    (folder / "images" / "train" / "2.png").unlink()
    (folder / "labels" / "train" / "2.txt").unlink()
    after, _ = digests(folder)
    found = changes({"train": before}, {"train": after})
    assert len(found) == 3
    for line, what, name in zip(
        found, ("labels changed", "pixels changed", "gone"), "012", strict=True
    ):
        assert line.startswith(f"train: {what}: ")
        assert name in line


def test_another_class_is_another_label(folder):
    (folder / "data.yaml").write_text("path: .\ntrain: images/train\nnames: [cell, gap]\n")
    before, _ = digests(folder)
    (folder / "labels" / "train" / "0.txt").write_text("1 0.5 0.5 0.5 0.5\n")
    (line,) = changes({"train": before}, {"train": digests(folder)[0]})
    assert line.startswith("train: labels changed: ")


def test_new_images_are_named_and_many_are_counted():
    before = {str(number): ["labels", "file"] for number in range(9)}
    assert changes({"val": before}, {"val": {**before, "x": ["l", "f"]}}) == ["val: new: x"]
    assert changes({"val": before}, {"val": {}}) == ["val: gone: 0, 1, 2, 3, 4 and 4 more"]


def test_another_order_of_the_same_images_is_named(folder):
    before, _ = digests(folder)
    turned = dict(reversed(before.items()))
    assert changes({"train": before}, {"train": turned}) == [
        "train: the same images in another order"
    ]


# === A run that goes on ===


@pytest.fixture
def run(folder, tmp_path_factory):
    """A run on these pictures, as far as its record goes."""
    directory = tmp_path_factory.mktemp("run")
    found, source = digests(folder)
    told = summary(source, found)
    data = {"class_names": source.class_names, "train": told, "val": told}
    write_manifest(manifest(data=data, backend=keras.backend.backend()), directory)
    (directory / FILE).write_text(json.dumps({"train": found, "val": found}))
    return directory


def go_on(run, folder):
    source = digests(folder)[1]
    checkpoint = Checkpoint(5, {}, {"seconds": 0.0, "joules": None})
    return RunRecord.of_resumed_run(run, {"train": source, "val": source}, checkpoint)


def test_a_run_goes_on_with_the_same_files(run, folder):
    assert go_on(run, folder).manifest["resumed"][0]["step"] == 5


def test_a_run_does_not_go_on_with_other_pixels_in_as_many_bytes(run, folder):
    image = folder / "images" / "train" / "1.png"
    size = image.stat().st_size
    write(image, 7)
    assert image.stat().st_size == size
    with pytest.raises(ZooError, match=r"changed: train: pixels changed: images/train/1\.png"):
        go_on(run, folder)


def test_a_run_does_not_go_on_with_another_order(run, folder):
    names = "".join(f"images/train/{number}.png\n" for number in (2, 0, 1))
    (folder / "list.txt").write_text(names)
    (folder / "data.yaml").write_text("train: list.txt\nnames: [cell]\n")
    with pytest.raises(ZooError, match="train: the same images in another order"):
        go_on(run, folder)


def test_a_summary_counts(folder):
    found, source = digests(folder)
    told = summary(source, found)
    assert (told["images"], told["boxes"]) == (3, {"cell": 3})
    assert len(told["files_sha256"]) == len(told["fingerprint"]) == 64


@pytest.mark.parametrize(
    ("size", "cut", "message"),
    [
        pytest.param((32, 32), 20, "2.png is a truncated PNG", id="cut short"),
        pytest.param(
            (32, 40), 0, "2.png is 40×32, but its labels are for 32×32", id="another size"
        ),
    ],
)
def test_a_picture_that_could_not_be_trained_on_is_told_at_the_start(tmp_path, size, cut, message):
    """COCO's files state sizes, so that opening the data looks into no picture."""
    (tmp_path / "images").mkdir()
    for number in range(3):
        write(tmp_path / "images" / f"{number}.png", number)
    picture = tmp_path / "images" / "2.png"
    cv2.imwrite(str(picture), np.zeros((*size, 3), "uint8"))
    picture.write_bytes(picture.read_bytes()[: -cut or None])
    images = [{"id": n, "file_name": f"{n}.png", "height": 32, "width": 32} for n in range(3)]
    boxes = [{"id": n, "image_id": n, "category_id": 1, "bbox": [1, 1, 9, 9]} for n in range(3)]
    content = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "a"}]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    data = {"name": "coco_json", "root": str(tmp_path), "annotations": "a.json", "images": "images"}
    source = open_source(data, "train")
    with pytest.raises(ZooError, match=message):
        image_digests(source)


def test_a_file_of_a_strangers_source_may_be_no_picture(folder, tmp_path):
    (tmp_path / "slide.raw").write_bytes(b"of a microscope")
    _, source = digests(folder)

    class Stranger:
        id, labels, size = source.id, source.labels, source.size

        def __len__(self):
            return 1

        def path(self, index):
            return tmp_path / "slide.raw"

    ((_, file),) = image_digests(Stranger()).values()
    assert file == hashlib.sha256(b"of a microscope").hexdigest()[:16]
