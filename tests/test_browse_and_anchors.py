"""`zoo.browse` and `zoo.anchors` as a user types them, and what they write."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import yaml

from zoo import config
from zoo.data.sample import Labels
from zoo.data.sources.shapes import Shapes
from zoo.errors import ZooError
from zoo.training import anchors, preview
from zoo.training.anchors import propose
from zoo.training.preview import browse, label_counts

SMALL = ["data=shapes", "data.images=20", "image_size=[96,128]", "batch_size=4"]


def composed(name, *overrides):
    return config.plain(config.compose(name, [*SMALL, *overrides]))


#: A platform whose files are ASCII unless told otherwise.
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "utf-8"}


def run(command, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-m", command, *arguments], env={**os.environ, **environment},
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_browse_draws_every_sample_with_names(tmp_path):
    run("zoo.browse", *SMALL, "augment=darknet", "count=13", f"hydra.run.dir={tmp_path}")
    sheets = sorted(file.name for file in tmp_path.glob("*.png"))
    assert sheets == ["sheet-000.png", "sheet-001.png"]  # 12 samples and one
    assert json.loads((tmp_path / "labels.json").read_text())["images"] == 20


def test_browse_shows_the_pixels_of_training(tmp_path):
    """Without boxes drawn over it, a sheet is the samples side by side."""
    browse(composed("browse", "augment=none", "count=1", "+data.seed=3"), tmp_path)
    sheet = cv2.imread(str(tmp_path / "sheet-000.png"))[..., ::-1]
    assert sheet.shape == (240 + 4, 320 + 4, 3)  # 96×128, enlarged so that names can be read
    source = Shapes(split="train", images=20, seed=3)
    images = [cv2.resize(source.image(i), (128, 96)) for i in range(20)]
    images = [cv2.resize(image, (320, 240), interpolation=cv2.INTER_AREA) for image in images]
    same = [(np.abs(image.astype(int) - sheet[:240, :320]) <= 1).mean() for image in images]
    assert sum(share > 0.7 for share in same) == 1


def test_a_large_input_is_drawn_as_it_is(tmp_path):
    browse(composed("browse", "augment=none", "count=1", "image_size=[352,384]"), tmp_path)
    assert cv2.imread(str(tmp_path / "sheet-000.png")).shape == (352 + 4, 384 + 4, 3)


def test_fewer_images_than_a_batch_are_drawn(tmp_path):
    assert browse(composed("browse", "count=1", "batch_size=100"), tmp_path)["images"] == 20


def test_the_epoch_changes_what_is_shown(tmp_path):
    for epoch in (1, 2):
        browse(composed("browse", "count=4", f"epoch={epoch}"), tmp_path / str(epoch))
    one, two = (cv2.imread(str(tmp_path / e / "sheet-000.png")) for e in ("1", "2"))
    assert not np.array_equal(one, two)


def test_samples_are_those_of_the_epoch(tmp_path, monkeypatch):
    """The second epoch of 20 images begins at position 20."""
    positions = []

    def drawn(samples, position, class_names, *, least):
        positions.append(position)
        return np.zeros((8, 8, 3), np.uint8)

    monkeypatch.setattr(preview, "drawn", drawn)
    browse(composed("browse", "count=14", "epoch=2"), tmp_path)
    assert positions == list(range(20, 34))


class Counted:
    """Two images of 100×200 at half scale: one with three boxes and a crowd, one without any."""

    class_names, category_ids, fingerprint = ("a", "b", "c"), (1, 2, 3), ""

    def __len__(self):
        return 2

    def size(self, index):
        return 100, 200

    def labels(self, index):
        boxes = [(0, 0, 200, 100), (0, 0, 40, 10), (0, 0, 1, 50), (0, 0, 9, 9)]
        if index:
            return Labels.of([], [])
        return Labels.of(boxes, [0, 0, 2, 1], [False, False, False, True])


def test_statistics_by_hand():
    found = label_counts(Counted(), size=(50, 100), mode="stretch")
    assert found["images"] == 2 and found["background_images"] == 1
    assert found["boxes"] == 3 and found["crowd_boxes"] == 1
    assert found["boxes_per_image"] == {"mean": 1.5, "max": 3}
    assert found["classes"] == {"a": 2, "b": 0, "c": 1}
    # 100×50, 20×5, 0.5×25: roots of areas 71, 10 and 3.5.
    assert found["small_medium_large"] == [2, 1, 0] and found["under_one_pixel"] == 1
    assert found["sides_at_image_size"]["width"]["0.5"] == 20
    assert found["sides_at_image_size"]["height"] == {
        "0.0": 5.0, "0.05": 7.0, "0.25": 15.0, "0.5": 25.0, "0.75": 37.5, "0.95": 47.5, "1.0": 50.0
    }  # fmt: skip


def test_anchors_come_as_yaml_json_and_a_picture(tmp_path):
    place = f"hydra.run.dir={tmp_path}"
    done = run("zoo.anchors", *SMALL, "clusters=6", "generations=30", place, **ASCII)
    assert "average IoU" in done.stdout
    result = json.loads((tmp_path / "anchors.json").read_text())
    pasted = yaml.safe_load((tmp_path / "anchors.yaml").read_text(encoding="utf-8"))
    assert pasted["model"]["head"]["anchors"] == result["anchors"] and len(result["anchors"]) == 6
    assert result["fit"]["refined"]["average_iou"] > result["fit"]["model"]["average_iou"]
    assert (tmp_path / "anchors.png").stat().st_size > 10_000
    # Pasted, they are the anchors of a model that builds.
    found = json.dumps(result["anchors"]).replace(" ", "")
    again = composed("anchors", f"model.head.anchors={found}", "generations=0", "clusters=1")
    assert propose(again, tmp_path / "again")["fit"]["model"]["boxes"] > 20


def test_anchors_are_a_function_of_the_seed(tmp_path):
    cfg = composed("anchors", "clusters=6", "generations=20")
    assert propose(cfg, tmp_path) == propose(cfg, tmp_path)


def test_the_best_of_four_clusterings_is_refined(tmp_path, monkeypatch):
    found = iter([[[1.0, 1.0]], [[30.0, 30.0]], [[2.0, 2.0]], [[3.0, 3.0]]])
    monkeypatch.setattr(anchors, "kmeans", lambda *_: np.array(next(found)))
    result = propose(composed("anchors", "clusters=1", "generations=0"), tmp_path)
    assert result["anchors"] == [[30, 30]]


@pytest.mark.parametrize("clusters", [6, 5, "null"])
def test_anchors_go_where_a_level_uses_them(clusters, tmp_path, capsys):
    """yolov4_tiny has six and uses five: anchor 0 of its cfg, 10×14, is in no mask."""
    result = propose(composed("anchors", f"clusters={clusters}", "generations=0"), tmp_path)
    first, *used = result["anchors"]
    assert first == [10, 14] and len(used) == 5
    areas = [width * height for width, height in used]
    assert areas == sorted(areas) and areas[0] != 140
    assert "# anchors of no level, which stay as they were: 0" in capsys.readouterr().out
    # The fit is that of what training will use.
    anchors = json.dumps(result["anchors"]).replace(" ", "")
    again = composed("anchors", f"model.head.anchors={anchors}", "generations=0")
    fits = propose(again, tmp_path)["fit"]
    assert fits["model"] == result["fit"]["refined"]


def test_another_number_of_anchors_needs_other_masks(tmp_path, capsys):
    found = propose(composed("anchors", "clusters=4", "generations=0"), tmp_path)
    assert len(found["anchors"]) == 4
    assert "# set model.head.masks too" in capsys.readouterr().out


def test_too_many_clusters_are_an_error(tmp_path):
    with pytest.raises(ZooError, match=r"clusters=100000: the data have \d+ distinct box sizes"):
        propose(composed("anchors", "clusters=100000"), tmp_path)


@pytest.mark.parametrize(
    ("command", "override", "least"),
    [
        (browse, "epoch=0", 1),
        (browse, "epoch=null", 1),
        (browse, "count=-1", 0),
        (browse, "count=1.5", 0),
        (browse, "batch_size=0", 1),
        (browse, "steps_per_epoch=-1", 1),
        (browse, "steps_per_epoch=0", 1),  # as in training, where null is all of them
        (propose, "clusters=0", 1),
        (propose, "clusters=two", 1),
        (propose, "generations=-1", 0),
        (propose, "seed=-1", 0),
    ],
)
def test_counts_are_whole_numbers(command, override, least, tmp_path):
    name = "browse" if command is browse else "anchors"
    said = override.replace("null", "None")
    with pytest.raises(ZooError, match=f"{said}: must be a whole number, at least {least}"):
        command(composed(name, override), tmp_path)


def test_a_misspelt_augmentation_gets_the_nearest():
    with pytest.raises(ZooError, match="no augment 'darkent'; did you mean darknet"):
        composed("browse", "augment=darkent")
