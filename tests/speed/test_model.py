"""A detector measured: of Keras and exported."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo import config
from zoo.benchmark import _config
from zoo.errors import ZooError
from zoo.exported import ExportedDetector
from zoo.speed import model
from zoo.speed.cold import cold_start
from zoo.speed.page import print_model

METADATA = {
    "name": "tiny", "class_names": ["a"], "image_size": [32, 64], "resize": "letterbox",
    "batch_size": 1, "nms": {"score_threshold": 0.25},
}  # fmt: skip
#: Axes of what a file gives; here it finds nothing.
OUTPUTS = {"boxes": 3, "scores": 2, "classes": 2, "count": 1, "candidates": 1}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.keras"
    detector = zoo.build("yolov4_tiny", ["a", "b"], overrides=["model.image_size=[32,64]"])
    detector.save(path)
    return str(path)


def settings(*overrides):
    return config.plain(config.compose("benchmark", ["what=model", "rounds=3", *overrides]))


@pytest.mark.slow
def test_a_saved_detector(file):
    found = model.measure(settings(f"preset={file}", "batch_sizes=[1,2]"))
    assert found["image_size"] == [32, 64] and set(found["throughput"]) == {"1", "2"}
    for what in ("latency", "whole"):
        times = found[what]
        assert 0 < times["least"] <= times["median"] <= times["p95"] <= times["most"]
    # The process has imported a backend and built a network.
    assert found["cold_start"]["seconds"] > 0.1 and found["cold_start"]["peak_rss_mib"] > 100


def test_the_precision_of_a_file_is_not_that_of_training(monkeypatch):
    asked = []
    detector = ExportedDetector(METADATA, None, Path("m.tflite"))
    monkeypatch.setattr(model, "loaded", lambda file, **keys: asked.append(keys) or detector)
    cfg = settings("preset=m", "runtime=litert", "export_precision=float16")
    assert model.opened(cfg, 2) == ("m.tflite", detector)
    assert asked == [{"runtime": "litert", "precision": "float16", "batch_size": 2}]
    assert cfg["precision"] == "float32"


@pytest.mark.parametrize("size", [1, 2])
def test_an_exported_file_is_measured_at_its_own_size_and_by_its_runtime(
    monkeypatch, tmp_path, capsys, size
):
    file = tmp_path / "tiny.onnx"
    file.touch()
    calls = []

    def run(inputs):
        calls.append(len(inputs["images"]))
        return {name: np.zeros((size, 0, 4)[:n]) for name, n in OUTPUTS.items()}

    detector = ExportedDetector({**METADATA, "batch_size": size}, run, file)
    monkeypatch.setattr(zoo, "load", lambda _: detector)
    monkeypatch.setattr(model, "cold_start", lambda _: {"seconds": 1.0, "peak_rss_mib": 100.0})
    found = model.measure(settings(f"preset={file}", "batch_sizes=[1,8]"))
    assert (found["model"], found["runtime"]) == ("tiny", "onnx")
    assert list(found["throughput"]) == [str(size)]
    assert set(calls) == {size}
    print_model(found, "tiny")
    assert f"batches of {size}: " in (said := capsys.readouterr().out)
    assert "images/s, the only size of this file" in said and "batches of 8" not in said


@pytest.mark.parametrize("number", [1, 3])
def test_an_exported_detector_gets_images_and_windows(number):
    shapes = []

    def run(inputs):
        shapes.append({name: array.shape for name, array in inputs.items()})
        return {"scores": np.ones((1, 5)), "count": np.full(1, 5)}

    detector = ExportedDetector(METADATA, run, "tiny.onnx")
    found = model.network(detector, number)()
    assert shapes == [{"images": (1, 32, 64, 3), "window": (1, 4)}] * number
    assert found["count"].tolist() == [5] * number


@pytest.mark.parametrize(("what", "says"), [("data", True), ("model", False)])
def test_the_config_of_training_is_recorded_where_it_was_measured(what, says):
    cfg = settings(f"what={what}", "preset=yolov3-tiny-coco", "model=yolov4_tiny")
    recorded = _config(cfg)
    assert ("model" in recorded, "preset" in recorded) == (says, not says)


def test_what_is_no_detector_is_refused(tmp_path):
    with pytest.raises(ZooError, match="preset=… is missing"):
        model.measure(settings())
    with pytest.raises(ZooError, match=r"^no cold start of nowhere: \S*ZooError: no preset"):
        cold_start("nowhere")


def test_a_process_that_was_killed_says_its_exit_status(monkeypatch):
    killed = subprocess.CompletedProcess([], -9, "", "")
    monkeypatch.setattr("zoo.speed.cold.subprocess.run", lambda *_, **__: killed)
    with pytest.raises(ZooError, match="no cold start of m: exit status -9"):
        cold_start("m")


def test_peak_memory_is_not_that_of_the_process_which_started_it():
    ballast = np.ones(50_000_000)  # 400 MB, which `ru_maxrss` of a child would show
    code = "from zoo.speed.cold import _peak_rss_mib; print(_peak_rss_mib())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 5 < float(done.stdout) < ballast.nbytes / 2**20 / 1.3
