"""Commands as a user types them."""

import csv
import json
import os
import struct
import subprocess
import sys

import cv2
import keras
import numpy as np
import pytest

import zoo
from zoo import convert
from zoo.classifier import BackboneClassifier
from zoo.errors import ZooError
from zoo.model_card.evidence import SCHEMA
from zoo.training.manifest import check_against
from zoo.video import Frame, Video, Writer

SMALL = ["data=shapes", "data.images=16", "data.held_out=4", "image_size=64", "batch_size=4",
         "evaluation.max_candidates=256"]  # fmt: skip


def run(command, *arguments, code=0):
    done = subprocess.run(
        [sys.executable, "-m", command, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of two epochs of three steps, with averages, a tracker and a frozen backbone."""
    directory = tmp_path_factory.mktemp("run")
    done = run(
        "zoo.train", *SMALL, "epochs=2", "steps_per_epoch=3", "ema=0.9", "freeze=[backbone]",
        "callbacks=csv", "evaluation.every=1", f"hydra.run.dir={directory}",
    )  # fmt: skip
    return directory, done.stdout


def test_a_run_leaves_its_config_scores_weights_and_pictures(trained):
    directory, _ = trained
    names = {"config.yaml", "metrics.json", "best.keras", "last.keras", "examples.png",
             "history.csv", "evaluation.json", "report.html"}  # fmt: skip
    assert names <= {file.name for file in directory.iterdir()}
    metrics = json.loads((directory / "metrics.json").read_text())
    assert list(metrics)[:3] == ["AP", "AP50", "AP75"]
    assert len(metrics) == 12
    assert (directory / "wandb").is_dir()
    # The report is about the best weights, whichever evaluation was the last.
    assert json.loads((directory / "evaluation.json").read_text())["metrics"] == metrics


def test_progress_tells_losses_speed_and_time_left(trained):
    _, text = trained
    assert "epoch 2/2" in text
    for word in ("loss", "box", "obj", "cls", "images/s", "waited for data", "left", "val_AP"):
        assert word in text


def test_a_run_loads_as_a_detector(trained):
    detector = zoo.load(trained[0])
    assert detector.image_size == (64, 64)
    assert len(detector.class_names) == 6
    assert detector.detect(np.zeros((40, 60, 3), "uint8")) is not None


def test_history_has_the_loss_parts_and_the_scores(trained):
    with open(trained[0] / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    for name in ("loss", "box_loss", "objectness_loss", "class_loss", "val_AP"):
        assert all(float(row[name]) >= 0 for row in rows)


def test_a_run_is_a_preset_for_evaluate_and_detect(trained, tmp_path):
    directory, _ = trained
    run("zoo.evaluate", f"preset={directory}", "data=shapes", "data.held_out=4",
        "evaluation.max_candidates=256", f"hydra.run.dir={tmp_path / 'e'}")  # fmt: skip
    lost = run("zoo.evaluate", f"preset={directory}", "data=shapes",
               f"hydra.run.dir={directory}", code=2)  # fmt: skip
    assert f"error: {directory} holds a training, whose manifest" in lost.stderr
    # The images of the first evaluation again: the same weights give the same numbers.
    again = json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert again == pytest.approx(json.loads((directory / "metrics.json").read_text()), abs=1e-6)
    assert {"evaluation.json", "detections.json", "report.html"} <= {
        file.name for file in (tmp_path / "e").iterdir()}  # fmt: skip
    manifest = json.loads((tmp_path / "e" / "manifest.json").read_text())
    check_against(manifest, SCHEMA, "manifest")
    assert (manifest["rules"], manifest["metrics"], manifest["warning"]) == ("coco", again, None)
    best = json.loads((directory / "manifest.json").read_text())["best"]
    assert manifest["weights"]["values_sha256"] == best["sha256"]
    assert (directory / "batches.png").is_file()


def test_detect_draws_and_lists(oracle_dir, mirror, tmp_path, monkeypatch):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    source = oracle_dir / "images"
    done = run("zoo.detect", "preset=yolov4-tiny-coco", f"source={source}/dog.jpg",
               f"hydra.run.dir={tmp_path}")  # fmt: skip
    assert "dog 0." in done.stdout
    (record,) = json.loads((tmp_path / "detections.json").read_text())
    assert {found["class_name"] for found in record["detections"]} >= {"dog", "bicycle"}
    assert (tmp_path / "0000-dog.png").stat().st_size > 100_000
    if keras.backend.backend() == "jax":  # what was compiled is there for the next command
        assert list((tmp_path / "cache" / "compiled").glob("jit__forward-*"))


def test_a_folder_of_odd_files_is_detected_but_for_what_is_no_picture(trained, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    picture = cv2.imencode(".jpg", np.full((60, 80, 3), 90, np.uint8))[1].tobytes()
    odd = [os.fsdecode(b"caf\xe9.jpg"), "x" * 248 + ".jpg"]  # Latin-1; and almost 255 bytes
    for name in odd:
        (folder / name).write_bytes(picture)
    (folder / "half.jpg").write_bytes(picture[:-50])
    thin = np.zeros((3000, 1, 3), np.uint8)
    (folder / "thin.png").write_bytes(cv2.imencode(".png", thin)[1].tobytes())
    done = run("zoo.detect", f"preset={trained[0]}", f"source={folder}", "batch_size=2",
               f"hydra.run.dir={tmp_path / 'run'}", code=2)  # fmt: skip
    assert f"warning: {folder}/half.jpg is a truncated JPEG" in done.stderr
    assert "error: 1 of 4 pictures could not be read" in done.stderr
    assert "Traceback" not in done.stderr
    pictures = sorted(file.name for file in (tmp_path / "run").glob("*.png"))
    assert pictures == ["0000-caf.png", "0001-thin.png", f"0002-{'x' * 200}.png"]
    records = json.loads((tmp_path / "run" / "detections.json").read_text())
    names = [os.path.basename(record["file"]) for record in records]
    assert names == [odd[0], "thin.png", odd[1]]


def test_what_a_folder_has_besides_pictures_is_said(trained, tmp_path):
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    (folder / "a.heic").write_bytes(b"")
    keys = [f"preset={trained[0]}", f"source={folder}", f"hydra.run.dir={tmp_path / 'run'}"]
    said = f"warning: {folder}: 2 files or folders are passed over; the first is a.heic; source='"
    done = run("zoo.detect", *keys, code=2)
    assert said in done.stderr and "no picture there" in done.stderr
    cv2.imwrite(str(folder / "b.png"), np.zeros((60, 80, 3), np.uint8))
    assert said in run("zoo.detect", *keys).stderr


def test_a_picture_that_is_none_is_an_error_if_it_is_the_only_one(trained, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    done = run("zoo.detect", f"preset={trained[0]}", f"source={tmp_path}/a.png",
               f"hydra.run.dir={tmp_path / 'run'}", code=2)  # fmt: skip
    assert f"error: {tmp_path}/a.png is no image that can be decoded" in done.stderr
    assert "warning" not in done.stderr


def test_a_video_is_drawn_and_listed_frame_by_frame(trained, tmp_path):
    with Writer(tmp_path / "a.mp4", 10.0) as writer:
        for number in range(5):
            writer.write(Frame(np.full((60, 80, 3), 40 * number, np.uint8), number / 10))
    keys = [f"preset={trained[0]}", f"source={tmp_path}/a.mp4", "score_threshold=0", "batch_size=2"]
    done = run("zoo.detect", *keys, f"hydra.run.dir={tmp_path / 'run'}")
    assert f"{tmp_path}/a.mp4: 5 frames; " in done.stdout
    assert "warning" not in done.stderr
    lines = (tmp_path / "run" / "detections.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [(one["frame"], one["seconds"]) for one in records] == [(n, n / 10) for n in range(5)]
    assert set(records[0]["detections"][0]) == {"xyxy", "score", "class_id", "class_name"}
    drawn = list(Video(tmp_path / "run" / "detections.mp4"))
    assert [frame.image.shape for frame in drawn] == [(60, 80, 3)] * 5
    run("zoo.detect", *keys, "frames=3", f"hydra.run.dir={tmp_path / 'few'}")
    assert len((tmp_path / "few" / "detections.jsonl").read_text().splitlines()) == 3


def test_a_classifier_of_a_backbone_is_neither_converted_nor_verified(tmp_path):
    cfg = {"name": "tiny", "image_size": [64, 64], "resize": "stretch",
           "backbone": {"name": "cspdarknet_tiny", "stem": 4, "widths": [4, 8, 8]}}  # fmt: skip
    file = tmp_path / "best.keras"
    BackboneClassifier(cfg, ["a", "b"]).save(file)
    where = f"hydra.run.dir={tmp_path / 'run'}"
    done = run("zoo.convert", f"preset={file}", f"output={tmp_path / 'b.weights'}", where, code=2)
    assert " is a classifier of a backbone alone, which no cfg of Darknet" in done.stderr
    (tmp_path / "my.cfg").write_text(TINY_CFG)
    done = run("zoo.verify", f"preset={file}", f"cfg={tmp_path / 'my.cfg'}", where, code=2)
    assert f"error: preset={file} is a classifier: zoo.verify compares detectors" in done.stderr


TINY_CFG = """[net]
height=64
width=64
channels=3
[conv]
filters=7
size=3
stride=32
pad=1
activation=linear
[yolo]
classes=2
anchors=20,30
"""


def test_what_there_is_to_choose_from_is_said_in_words():
    script = "import sys, zoo.__main__ as m; m.main(); assert 'keras' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          env={**os.environ, "COLUMNS": "200"}, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("│")[1:3]] for line in done.stdout.splitlines()
            if line.startswith("│")]  # fmt: skip
    assert all(text for _, text in rows)
    words = dict(rows)
    assert words["yolov4-tiny-coco"] == "YOLOv4-tiny, the official Darknet weights for COCO"
    assert words["yolov3_spp"] == "YOLOv3 with spatial pyramid pooling"


def test_convert_there_and_back(tmp_path):
    """7·3·9 weights and 7 biases: 196 numbers, 20 + 784 bytes."""
    (tmp_path / "my.cfg").write_text(TINY_CFG)
    (tmp_path / "my.names").write_text("cat\ndog\n")
    header = struct.pack("<3iQ", 0, 2, 5, 6400)
    numbers = header + np.random.default_rng(0).normal(size=196).astype("<f4").tobytes()
    (tmp_path / "my.weights").write_bytes(numbers)
    where = [f"hydra.run.dir={tmp_path / 'run'}"]
    done = run("zoo.convert", f"cfg={tmp_path / 'my.cfg'}", f"weights={tmp_path / 'my.weights'}",
               f"class_names={tmp_path / 'my.names'}", f"output={tmp_path / 'a.keras'}",
               *where)  # fmt: skip
    assert f"my, 196 parameters → {tmp_path / 'a.keras'}" in done.stdout
    run("zoo.convert", f"preset={tmp_path / 'a.keras'}", f"output={tmp_path / 'b.weights'}", *where)
    assert (tmp_path / "b.weights").read_bytes() == numbers
    assert (tmp_path / "b.cfg").read_text() == TINY_CFG
    assert zoo.load(tmp_path / "a.keras").class_names == ["cat", "dog"]


@pytest.fixture
def from_cfg(tmp_path):
    (tmp_path / "my.cfg").write_text(TINY_CFG)
    return zoo.load(tmp_path / "my.cfg")


@pytest.mark.parametrize(
    ("given", "notes"),
    [
        pytest.param({"output": "a.keras"}, ["no weights=: all weights are fresh",
                     "classes are 0 … 1; class_names=FILE names them"], id="a cfg alone"),
        pytest.param({"output": "a.weights", "weights": "my.weights"}, [], id="no place for names"),
        pytest.param({"output": "a.keras", "cfg": None}, [], id="a preset"),
    ],
)  # fmt: skip
def test_convert_says_what_a_cfg_does_not(from_cfg, given, notes):
    settings = {"cfg": "my.cfg", "weights": None, "class_names": None, **given}
    assert list(convert.notes(settings, from_cfg)) == notes


@pytest.mark.parametrize("name", ["a.keras", "a.weights"])
def test_convert_replaces_no_file_of_other_content(from_cfg, tmp_path, name):
    (tmp_path / "a.cfg").write_text("# in the way of .weights alone\n")
    if name == "a.weights":
        with pytest.raises(ZooError, match=r"a\.cfg exists with other content; remove it or"):
            convert.refuse_to_replace(from_cfg, tmp_path / name)
    (tmp_path / "a.cfg").unlink()
    convert.write(from_cfg, tmp_path / name)
    convert.refuse_to_replace(from_cfg, tmp_path / name)  # the same again
    other = zoo.load(tmp_path / "my.cfg")
    other.set_weights([weights + 1 for weights in other.get_weights()])
    with pytest.raises(ZooError, match=rf"{name} exists with other content; remove it or"):
        convert.refuse_to_replace(other, tmp_path / name)


@pytest.mark.longest
def test_a_multirun_of_models_and_rates_ends_in_a_table(tmp_path):
    done = run(
        "zoo.train", "-m", "model=yolov4_tiny,yolov3_tiny", "optimizer.learning_rate=1e-2,3e-3",
        *SMALL, "epochs=1", "steps_per_epoch=2", "tracker=none", f"hydra.sweep.dir={tmp_path}",
    )  # fmt: skip
    lines = (tmp_path / "sweep.csv").read_text().splitlines()
    assert len(lines) == 1 + 4
    assert lines[0].startswith("job,model,optimizer.learning_rate,status,AP")
    assert "sweep in" in done.stdout


@pytest.mark.parametrize(
    "model",
    [
        pytest.param("yolov3", marks=pytest.mark.longest),
        pytest.param("yolov4", marks=pytest.mark.slow),
    ],
)
def test_big_models_train_two_steps_and_evaluate(model, data_dir, tmp_path):
    run(
        "zoo.train", f"model={model}", "data=coco_json", f"data.root={data_dir / 'coco_mini'}",
        "image_size=96", "batch_size=2", "epochs=1", "steps_per_epoch=2", "tracker=none",
        "evaluation.max_candidates=256", f"hydra.run.dir={tmp_path}",
    )  # fmt: skip
    assert (tmp_path / "metrics.json").is_file()
