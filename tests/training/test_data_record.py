import shutil

import pytest

from zoo.data.sources import open_source
from zoo.training.data_record import changes, image_digests, summary


@pytest.fixture
def folder(tmp_path):
    """Three pictures of one box each, as `data=yolo` takes them."""
    import cv2
    import numpy as np

    for number in range(3):
        for part in ("images", "labels"):
            (tmp_path / part / "train").mkdir(parents=True, exist_ok=True)
        picture = np.full((32, 32, 3), number, "uint8")
        cv2.imwrite(str(tmp_path / "images" / "train" / f"{number}.png"), picture)
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


def test_a_summary_counts(folder):
    found, source = digests(folder)
    told = summary(source, found)
    assert (told["images"], told["boxes"]) == (3, {"cell": 3})
    assert len(told["files_sha256"]) == len(told["fingerprint"]) == 64
