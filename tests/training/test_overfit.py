"""Detectors learn 16 photographs by heart: nothing between file and score is in their way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = [
    "data=coco_json", "augment=none", "optimizer=adamw", "optimizer.weight_decay=0", "epochs=1",
    "tracker=none",
]  # fmt: skip
# The tiny one at its full width. Its boxes learn by squared errors: AdamW's steps are large
# whatever a part of the loss weighs, and under CIoU some boxes run away in the first updates of so
# small a batch, to no width and millions of pixels of height: CIoU has no slope there, they stay.
TINY = [
    "model=yolov4_tiny", "image_size=160",
    "model.head.anchors=[[4,5],[9,10],[14,22],[31,32],[52,65],[132,123]]",  # the cfg's, for 160
    "model.loss.box=mse", "model.loss.box_normalizer=1",
    "optimizer.learning_rate=0.001", "batch_size=4", "steps_per_epoch=600",
]  # fmt: skip
# The others at a quarter of their width and their full depth, with their own losses. All images are
# in each batch: statistics of four would be another network than that of their moving average.
DEEP = [
    "image_size=128", "+model.backbone.stem=8",
    "model.head.anchors=[[4,5],[6,11],[13,9],[12,24],[24,17],[23,46],[45,35],[60,76],[90,100]]",
    "optimizer.learning_rate=0.002", "batch_size=16", "steps_per_epoch=1000",
]  # fmt: skip
CSP = ["model=yolov4_csp", "+model.backbone.widths=[16,32,64,128,256]", *DEEP]
# Two tests run at a time, and threads that wait for each other take longer than one alone.
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
MOST_OBJECTS, LEAST_SIDE = 6, 32


def learnable(boxes: list[list[float]]) -> bool:
    """Whether an image has objects, few of them, and none small."""
    few = 0 < len(boxes) <= MOST_OBJECTS
    return few and all(min(width, height) >= LEAST_SIDE for _, _, width, height in boxes)


@pytest.fixture(scope="module")
def sixteen(data_dir, tmp_path_factory) -> Path:
    """The first 16 images, by id, of `coco_mini/train` that are `learnable`.

    At 160 pixels a cell is 16 or 32 pixels wide, and a smaller object of a photograph of 640 pixels
    less than 8: in a crowd two boxes fall to one cell and anchor, which cannot give both.
    """
    source, folder = data_dir / "coco_mini" / "train", tmp_path_factory.mktemp("sixteen")
    content = json.loads((source / "instances.json").read_text())
    boxes: dict[int, list] = {image["id"]: [] for image in content["images"]}
    for annotation in content["annotations"]:
        boxes[annotation["image_id"]].append(annotation["bbox"])
    ids = sorted(key for key, of_image in boxes.items() if learnable(of_image))[:16]
    for key, image in (("images", "id"), ("annotations", "image_id")):
        content[key] = [record for record in content[key] if record[image] in ids]
    (folder / "instances.json").write_text(json.dumps(content))
    (folder / "images").symlink_to(source / "images")
    return folder


@pytest.mark.slow
def test_yolov4_tiny_learns_sixteen_photographs_by_heart(sixteen, tmp_path):
    assert average_precision(TINY, sixteen, tmp_path) >= 0.95


@pytest.mark.longest
@pytest.mark.parametrize(
    "model",
    [pytest.param(["model=yolov4", *DEEP], id="yolov4"), pytest.param(CSP, id="yolov4_csp")],
)
def test_deep_models_learn_them_too(model, sixteen, tmp_path):
    assert average_precision(model, sixteen, tmp_path) >= 0.95


def average_precision(model: list[str], sixteen: Path, run: Path) -> float:
    """AP50 on the images that a training has seen."""
    done = subprocess.run(
        [sys.executable, "-m", "zoo.train", *SETTINGS, *model, f"data.root={sixteen}",
         f"hydra.run.dir={run}"],
        capture_output=True, text=True, check=False, env={**os.environ, **ONE_THREAD},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((run / "metrics.json").read_text())["AP50"]
