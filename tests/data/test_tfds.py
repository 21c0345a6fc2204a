import io
import json
import shutil
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from zoo.data.lint import Annotation
from zoo.data.sources import open_source
from zoo.data.sources.tfds import COCO_IDS, _annotations, prepared
from zoo.errors import ZooError

# TensorFlow Datasets' own writers are not silent.
pytestmark = pytest.mark.filterwarnings("default")

#: (ymin, xmin, ymax, xmax) relative, label, is_crowd, area; for each of three images.
OBJECTS = [[], [(0.1, 0.2, 0.5, 0.6, 1, False, 70)], [(0.0, 0.0, 1.0, 1.0, 0, True, 90)] * 2]


class TinyBoxes(tfds.core.GeneratorBasedBuilder):
    """Three images of 40×60 with zero, one and two objects."""

    VERSION = tfds.core.Version("1.2.0")

    def _info(self):
        objects = {
            "bbox": tfds.features.BBoxFeature(),
            "label": tfds.features.ClassLabel(names=["ant", "bee"]),
            "is_crowd": np.bool_,
            "area": np.int64,
        }
        features = {
            "image": tfds.features.Image(encoding_format="png"),
            "image/id": np.int64,
            "objects": tfds.features.Sequence(objects),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for number, objects in enumerate(OBJECTS):
            rows = [
                {"bbox": tfds.features.BBox(*box), "label": label, "is_crowd": crowd, "area": area}
                for *box, label, crowd, area in objects
            ]
            image = np.full((40, 60, 3), (10, 20, number), np.uint8)
            yield number, {"image": image, "image/id": 100 + number, "objects": rows}


class TinyClasses(tfds.core.GeneratorBasedBuilder):
    """Two images of 20×30, one of a bee and one of an ant."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(encoding_format="png"),
            "label": tfds.features.ClassLabel(names=["ant", "bee"]),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for label in (1, 0):
            yield label, {"image": np.full((20, 30, 3), 100 * label, np.uint8), "label": label}


class Turned(tfds.core.GeneratorBasedBuilder):
    """Two JPEGs of 40×60, to be turned by a quarter for display, with a box over the left half."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        objects = {
            "bbox": tfds.features.BBoxFeature(),
            "label": tfds.features.ClassLabel(names=["ant"]),
        }
        features = {
            "image": tfds.features.Image(encoding_format="jpeg"),
            "image/filename": tfds.features.Text(),
            "objects": tfds.features.Sequence(objects),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {
            "train": self._generate_examples(["a.jpg", "b.jpg"]),
            "twice": self._generate_examples(["a.jpg"] * 2),
        }

    def _generate_examples(self, names):
        exif = Image.Exif()
        exif[274] = 6
        pixels = np.zeros((40, 60, 3), np.uint8)
        pixels[:, :30] = 255
        for number, name in enumerate(names):
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "jpeg", exif=exif)
            left = {"bbox": tfds.features.BBox(0.0, 0.0, 1.0, 0.5), "label": "ant"}
            file.seek(0)
            yield number, {"image": file, "image/filename": name, "objects": [left]}


@pytest.fixture(scope="module")
def turned_root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    Turned(data_dir=folder, file_format="array_record").download_and_prepare()
    return folder


def test_boxes_are_of_the_image_as_it_is_stored(turned_root):
    """TFDS decodes without a look at EXIF: what is in the box is white."""
    source = opened(turned_root, "turned")
    assert source.size(0) == (40, 60) and source.labels(0).boxes.tolist() == [[0, 0, 30, 40]]
    image = source.image(0)
    assert image.shape == (40, 60, 3)
    assert image[:, :28].min() > 200 and image[:, 32:].max() < 50


def test_an_id_of_two_images_is_refused(turned_root):
    with pytest.raises(ZooError, match=r"image 'a\.jpg' is there twice"):
        opened(turned_root, "turned", split="twice")
    assert len(opened(turned_root, "turned", split="twice", on_error="skip")) == 1


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    TinyBoxes(data_dir=folder, file_format="array_record").download_and_prepare()
    return folder


@pytest.fixture(scope="module")
def classes_root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    TinyClasses(data_dir=folder, file_format="array_record").download_and_prepare()
    return folder


def opened(root, builder="tiny_boxes", split="train", **keys):
    cfg = {"name": "tfds", "builder": builder, "root": str(root), "train": split} | keys
    return open_source(cfg, "train")


def test_the_class_of_an_image_is_that_of_a_box_over_all_of_it(classes_root):
    source = opened(classes_root, builder="tiny_classes", name="tfds_classes")
    assert source.class_names == ["ant", "bee"] and len(source) == 2
    for index in range(2):
        labels = source.labels(index)
        assert labels.boxes.tolist() == [[0, 0, 30, 20]]
        assert source.image(index)[0, 0, 0] == 100 * labels.classes[0]


def test_boxes_are_no_classes_of_images(root, classes_root):
    with pytest.raises(ZooError, match="is no classification data set: it needs label with names"):
        opened(root, name="tfds_classes")
    with pytest.raises(ZooError, match="is no detection data set"):
        opened(classes_root, builder="tiny_classes")


def by_id(source):
    return {source.id(index): index for index in range(len(source))}


def test_labels_and_pixels(root):
    source = opened(root)
    places = by_id(source)
    assert sorted(places) == [100, 101, 102]
    assert (source.class_names, source.category_ids) == (["ant", "bee"], [1, 2])
    labels = source.labels(places[101])
    np.testing.assert_allclose(labels.boxes, [[12, 4, 36, 20]], rtol=1e-6)
    assert (labels.classes, labels.crowd, labels.area) == ([1], [False], [70])
    assert len(source.labels(places[100])) == 0
    assert source.labels(places[102]).crowd.tolist() == [True, True]
    assert source.image(places[102])[0, 0].tolist() == [10, 20, 2]
    assert source.size(places[102]) == (40, 60)


def test_versions_and_slices(root):
    assert prepared("tiny_boxes", str(root)).name == "1.2.0"
    assert len(opened(root, "tiny_boxes:1.2.0")) == 3
    part = opened(root, split="train[:2]")
    assert len(part) == 2 and part.fingerprint != opened(root).fingerprint


def test_the_newest_version_is_taken(tmp_path):
    for version in ("1.9.0", "1.10.0", "1.2.3"):
        (tmp_path / "cells" / version).mkdir(parents=True)
        (tmp_path / "cells" / version / "dataset_info.json").touch()
    assert prepared("cells", str(tmp_path)).name == "1.10.0"


@pytest.mark.parametrize("key", ["is_crowd", "is_difficult"])
def test_crowds_are_called_difficult_in_voc(key):
    objects = {"bbox": [(0, 0, 1, 1)] * 2, "label": [0, 0], key: [False, True]}
    assert [a.crowd for a in _annotations(objects, (40, 60))] == [False, True]


@pytest.mark.parametrize(
    ("builder", "classes", "last"), [("coco/2017", 80, 90), ("coco/mine", 79, 79), ("a", 80, 80)]
)
def test_classes_of_coco_have_its_ids(monkeypatch, tmp_path, builder, classes, last):
    png = cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes()
    record = {"image": png, "objects": {"bbox": [], "label": []}}
    label = SimpleNamespace(names=[str(number) for number in range(classes)])
    info = SimpleNamespace(features={"objects": {"bbox": None, "label": label}})
    monkeypatch.setattr("zoo.data.sources.tfds.prepared", lambda *_: tmp_path)
    monkeypatch.setattr("zoo.data.sources.tfds._open", lambda *_: ([record], info))
    assert opened(tmp_path, builder).category_ids[-1] == last


def test_fingerprint_is_stable(root):
    assert opened(root).fingerprint == opened(root).fingerprint


def test_fingerprint_is_that_of_any_locale(root, tmp_path, monkeypatch):
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    stated = next(tmp_path.glob("tiny_boxes/*/dataset_info.json"))
    stated.write_text(stated.read_text().replace("{", '{"citation": "“Ameise”",', 1), "utf-8")
    with monkeypatch.context() as latin:
        latin.setattr(io, "text_encoding", lambda encoding, *_: encoding or "latin-1")
        fingerprint = opened(tmp_path).fingerprint
    assert opened(tmp_path).fingerprint == fingerprint


def test_not_prepared_says_how_to(root):
    with pytest.raises(
        ZooError, match=r"coco/2017 is not prepared in .*tfds\.builder\('coco/2017'"
    ):
        opened(root, "coco/2017")
    with pytest.raises(ZooError, match=r"tiny_boxes:9\.9\.9 is not prepared"):
        opened(root, "tiny_boxes:9.9.9")


def test_unknown_split(root):
    with pytest.raises(ZooError, match="no split 'trian'; did you mean train"):
        opened(root, split="trian")


def test_other_formats_have_no_random_access(root, tmp_path):
    """The same files, said to be TFRecord."""
    old = tmp_path / "tiny_boxes" / "1.2.0"
    old.mkdir(parents=True)
    for file in prepared("tiny_boxes", str(root)).iterdir():
        text = file.read_bytes().replace(b"array_record", b"tfrecord")
        (old / file.name.replace("array_record", "tfrecord")).write_bytes(text)
    with pytest.raises(ZooError, match=r"prepared as tfrecord, .*file_format='array_record'"):
        opened(tmp_path)


def test_coco_counts_to_ninety():
    assert len(COCO_IDS) == 80 and COCO_IDS[:12] == [*range(1, 12), 13] and COCO_IDS[-1] == 90


def test_a_data_set_without_boxes(root, tmp_path):
    """As a classification data set: no feature `objects`."""
    copied = tmp_path / "tiny_boxes" / "1.2.0"
    shutil.copytree(prepared("tiny_boxes", str(root)), copied)
    features = json.loads((copied / "features.json").read_text())
    del features["featuresDict"]["features"]["objects"]
    (copied / "features.json").write_text(json.dumps(features))
    with pytest.raises(ZooError, match="needs objects/bbox and objects/label"):
        opened(tmp_path)


def test_a_fault_names_the_image_and_the_object(root, monkeypatch):
    """What TFDS would not write itself: a box beyond the right edge."""
    monkeypatch.setattr("zoo.data.sources.tfds._annotations", beyond_the_edge)
    with pytest.raises(ZooError, match=r"tiny_boxes train: image 10\d: object 1: .* sticks out"):
        opened(root)


def beyond_the_edge(objects, size):
    return [Annotation((0, 0, 70, 20), 0, "object 1")]
