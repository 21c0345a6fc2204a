import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import keras
import numpy as np
import pytest
import wandb
import wandb_file
from manifests import manifest
from polling import until
from tiny import TINY

from zoo import config as zoo_config
from zoo.registry import TRACKERS
from zoo.training.manifest import write_manifest
from zoo.training.run import train
from zoo.training.tracking import weights_and_biases as tracker
from zoo.training.tracking.callback import Tracking

NAMES = ["cat", "dog"]


def evaluation(folder):
    """evaluation.json as `save_evaluation` writes it, with one picture."""
    (folder / "pictures").mkdir(parents=True)
    cv2.imwrite(str(folder / "pictures" / "worst-1.jpg"), np.full((20, 40, 3), 128, np.uint8))
    row = {"objects": 3, "AP": 0.5, "AP50": 0.6, "AP75": 0.4, "AR100": 0.5, "P": 1, "R": 1, "F1": 1}
    found = {
        "per_class": [{"name": name, **row} for name in NAMES],
        "curves": {
            "recall": [0, 1], "precision": {"0.50": [1, 0.5]},
            "precision_by_class": [[1, 0.4], [1, 0.6]],
        },
        "confusion": {"cells": [[0, 0, 2], [0, 1, 1], [2, 1, 4]]},
        "pictures": [{
            "kind": "worst", "file": "worst-1.jpg", "id": 7, "TP": 1, "FP": 0, "FN": 1,
            "truth": [[0, 0, 0, 0.5, 1]], "found": [[1, 0.1, 0.2, 0.5, 0.9, 0.75]],
        }],
    }  # fmt: skip
    (folder / "evaluation.json").write_text(json.dumps(found))


class WritesEvaluation(keras.callbacks.Callback):
    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch, logs=None):
        logs["val_AP"] = 0.25 * (epoch + 1)
        if epoch == 1:
            evaluation(self.folder)


def fit(callbacks, epochs=2):
    """Five updates an epoch, learning rate 0.1 falling by 0.01 each."""
    rate = keras.optimizers.schedules.PolynomialDecay(0.1, 10, 0.0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse")
    x = np.ones((10, 2), "float32")
    model.fit(x, x[:, :1], batch_size=2, epochs=epochs, callbacks=callbacks, verbose=0)


def files(directory):
    return sorted(Path(directory).glob("wandb/*run-*/run-*.wandb"))


def with_commit():
    """A manifest of a run of commit abc123."""
    facts = manifest()
    facts["environment"]["code"] |= {"commit": "abc123", "dirty": False}
    return facts


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """What W&B holds of a run of ten updates with an evaluation after the second epoch."""
    directory = tmp_path_factory.mktemp("run")
    write_manifest(with_commit(), directory)
    options = {"directory": directory, "config": {"batch_size": 2, "lr": 0.1}, "run_id": "abc123"}
    with tracker.weights_and_biases(**options, mode="offline", every=2) as callbacks:
        fit([WritesEvaluation(directory / "latest"), *callbacks])
    (file,) = files(directory)
    return wandb_file.wait(file, lambda found: found["exit"] is not None)


def test_id_config_and_end(followed):
    assert followed["id"] == "abc123"
    assert followed["config"]["lr"] == 0.1
    assert followed["exit"] == 0


def test_curves_over_updates(followed):
    points = {row["step"]: row for row in followed["history"] if "train/images_per_second" in row}
    assert sorted(points) == [2, 4, 6, 8, 10]
    assert points[2]["train/learning_rate"] == pytest.approx(0.09)  # of the second update
    assert points[10]["train/learning_rate"] == pytest.approx(0.01)
    assert all(row["train/loss"] > 0 and row["train/images_per_second"] > 0
               for row in points.values())  # fmt: skip


def test_scores_of_each_epoch(followed):
    scores = [(row["epoch"], row["val/AP"]) for row in followed["history"] if "epoch" in row]
    assert scores == [(1, 0.25), (2, 0.5)]


def test_a_new_evaluation_brings_tables_and_pictures(followed):
    (row,) = [row for row in followed["history"] if "val/classes.nrows" in row]
    assert row["epoch"] == 2
    assert (row["val/classes.nrows"], row["val/classes.ncols"]) == (2, 9)
    assert row["val/precision_recall_table.nrows"] == 3 * 2
    assert row["val/confusion_matrix_table.nrows"] == 3
    assert row["val/images.captions"] == ["worst: 7, 1 right, 0 wrong, 1 missed"]
    assert len(row["val/images.all_boxes"]) == 1


def test_boxes_are_drawn_by_layers(tmp_path):
    from zoo.training.tracking.media import picture

    evaluation(tmp_path)
    row = json.loads((tmp_path / "evaluation.json").read_text())["pictures"][0]
    image = picture(row, NAMES, tmp_path / "pictures")
    boxes = {layer: boxes._val for layer, boxes in image._boxes.items()}
    (found,) = boxes["found"]
    assert found["position"] == {"minX": 0.1, "minY": 0.2, "maxX": 0.5, "maxY": 0.9}
    assert (found["class_id"], found["box_caption"]) == (1, "dog 0.75")
    assert boxes["truth"][0]["box_caption"] == "cat"


def test_confusions_are_from_the_true_class_to_the_predicted_one(monkeypatch):
    from zoo.training.tracking import media

    monkeypatch.setattr(wandb, "plot_table", lambda kind, table, *_: table)
    table = media._confusion([[0, 1, 5], [2, 1, 4]], [*NAMES, "background"])
    assert table.columns == ["Actual", "Predicted", "nPredictions"]
    assert table.data == [["cat", "dog", 5], ["background", "dog", 4]]


def test_an_evaluation_is_shown_once_and_none_of_before(tmp_path):
    tracking = Tracking(None, tmp_path, every=1, batch_size=1)
    evaluation(tmp_path)

    def shown(seconds):
        os.utime(tmp_path / "evaluation.json", (start + seconds, start + seconds))
        return sorted(tracking._media())

    start = tracking.seen
    assert shown(-9) == []
    assert "val/images" in shown(9)
    assert shown(9) == []


def test_batches_are_counted_over_the_whole_run(tmp_path):
    rows = []
    run = SimpleNamespace(define_metric=lambda *_, **__: None, log=rows.append)
    tracking = Tracking(run, tmp_path, every=4, batch_size=1)
    model = keras.Sequential()
    model.compile("sgd")
    tracking.set_model(model)
    tracking.set_params({"done": 7})
    tracking.on_train_begin()
    tracking.on_epoch_begin(1)
    for batch in range(5):
        tracking.on_train_batch_end(batch, {"loss": 1.0})
    assert [row["step"] for row in rows] == [8, 12]


def test_the_files_of_the_run_are_an_artifact(followed):
    described = [artifact for artifact in followed["artifacts"] if artifact.type == "run"]
    (artifact,) = described
    assert artifact.name == "run-abc123"
    assert {entry.path for entry in artifact.manifest.contents} == {"manifest.json"}
    found, facts = json.loads(artifact.metadata), with_commit()
    assert found == {
        "seed": 3, "data": facts["data"], "metrics": None, "code": facts["environment"]["code"],
    }  # fmt: skip
    assert found["code"]["commit"] == "abc123"
    assert not artifact.use_after_commit


def artifacts_of(directory, config):
    """Name → artifact in W&B's file of a run that trains nothing."""
    options = {"directory": directory, "config": config, "run_id": directory.name}
    with tracker.weights_and_biases(**options, mode="offline"):
        pass
    found = wandb_file.wait(files(directory)[-1], lambda found: found["exit"] is not None)
    return {artifact.name: artifact for artifact in found["artifacts"]}


def run_directory(directory):
    directory.mkdir()
    manifest = {"id": directory.name, "seed": 3, "data": {"train": {"fingerprint": "abc"}}}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    (directory / "data.json").write_text('{"train": {"1": ["a", "b"]}}')
    (directory / "best.keras").write_bytes(b"weights of " + directory.name.encode())
    return directory


def test_lineage_from_data_and_weights_over_the_run_to_its_weights(tmp_path):
    first, second = run_directory(tmp_path / "one"), run_directory(tmp_path / "two")
    data = {"data": {"name": "voc"}}
    one = artifacts_of(first, {**data, "weights": "yolov4-tiny-coco"})
    assert {name: artifact.use_after_commit for name, artifact in one.items()} == {
        "data-voc": True, "weights-yolov4-tiny-coco": True, "model-one": False, "run-one": False,
    }  # fmt: skip
    assert json.loads(one["data-voc"].metadata) == {"train": {"fingerprint": "abc"}}
    (weights,) = one["weights-yolov4-tiny-coco"].manifest.contents
    assert weights.ref.endswith("/yolov4-tiny.weights")
    assert "cf9fbfd0f6d4" in one["weights-yolov4-tiny-coco"].metadata

    # What one run gives and the next takes is the same artifact: name and content.
    two = artifacts_of(second, {**data, "weights": str(first)})
    assert (two["model-one"].use_after_commit, two["model-two"].use_after_commit) == (True, False)
    assert two["model-one"].digest == one["model-one"].digest != two["model-two"].digest
    assert two["data-voc"].digest == one["data-voc"].digest


@pytest.mark.slow
def test_what_a_killed_process_logged_stays_and_the_next_one_has_its_id(tmp_path):
    """SIGKILL after four rows; two of them come again."""
    code = """if True:
        import pathlib, sys, time
        from zoo.training.tracking.weights_and_biases import weights_and_biases
        options = {"directory": pathlib.Path(sys.argv[1]), "config": {}, "run_id": "k1"}
        with weights_and_biases(**options, mode="offline") as callbacks:
            for callbacks[0].step in range(1, 5):
                callbacks[0]._log({"value": 1})
            time.sleep(60)
    """
    # A process of another run's W&B service would keep the id in use.
    alone = {key: value for key, value in os.environ.items() if key != "WANDB_SERVICE"}
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, env=alone) as process:
        (file,) = until(lambda: files(tmp_path), process, seconds=120)
        first = wandb_file.wait(file, lambda found: len(found["history"]) == 4)
        process.kill()
    options = {"directory": tmp_path, "config": {}, "run_id": "k1", "mode": "offline"}
    with tracker.weights_and_biases(**options) as callbacks:
        for callbacks[0].step in range(3, 11):
            callbacks[0]._log({"value": 1})
    (file,) = {*files(tmp_path)} - {file}
    second = wandb_file.wait(file, lambda found: found["exit"] is not None)
    assert [first["id"], second["id"]] == ["k1", "k1"]
    assert [first["exit"], second["exit"]] == [None, 0]
    steps = [[row["step"] for row in start["history"]] for start in (first, second)]
    assert steps == [[1, 2, 3, 4], list(range(3, 11))]


class Killed(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            raise KeyboardInterrupt("killed")  # an Exception of a tracker stops no run


@pytest.mark.slow
def test_a_run_that_goes_on_counts_from_its_checkpoint(tmp_path):
    """Stopped after three of eight batches, two of them an update, the checkpoint at the second."""
    rows = []
    run = SimpleNamespace(define_metric=lambda *_, **__: None, log=rows.append)

    @contextlib.contextmanager
    def followed_by(*, directory, config, run_id, killed=False):
        yield [Tracking(run, directory, every=1, batch_size=4), *([Killed()] if killed else [])]

    words = [*TINY, "journal=1", "subdivisions=2", "schedule=cosine", "schedule.burn_in=0"]
    cfg = zoo_config.plain(zoo_config.compose("train", words))
    with TRACKERS.temporarily("followed_by", followed_by):
        with pytest.raises(KeyboardInterrupt, match="killed"):
            train({**cfg, "tracker": {"name": "followed_by", "killed": True}}, tmp_path)
        first, rows[:] = list(rows), []
        train({**cfg, "tracker": {"name": "followed_by"}}, tmp_path)
    steps = [[row["step"] for row in start] for start in (first, rows)]
    assert steps == [[1, 2, 3], [3, 4, 4, 5, 6, 7, 8, 8]]  # twice where an epoch ends

    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    rates = {line["step"]: line["learning_rate"] for line in lines}
    assert rates[1] == rates[2] > rates[3] == rates[4] > rates[5]
    assert all(row["train/learning_rate"] == rates[row["step"]] for row in [*first, *rows])


def test_without_a_network_it_goes_offline(tmp_path, monkeypatch):
    modes = []

    def init(*, mode, **settings):
        modes.append(mode)
        if mode == "online":
            raise wandb.errors.CommError("no route")
        raise RuntimeError("and nothing else works")

    monkeypatch.setattr(wandb, "init", init)
    with tracker.weights_and_biases(directory=tmp_path, config={}, mode="online") as callbacks:
        assert callbacks == []
    assert modes == ["online", "offline"]
