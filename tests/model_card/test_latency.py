"""Latency is measured, on a named machine, or it is not on a card."""

import json

import pytest

from zoo.errors import ZooError
from zoo.model_card import latency
from zoo.speed import timing

TINY = "yolov4-tiny-coco"


class Detector:
    """Takes as long as it is told, in seconds of a clock of its own."""

    image_size = (32, 64)

    def __init__(self, clock, seconds):
        self.clock, self.seconds, self.shapes = clock, iter(seconds), []

    def predictor(self):
        return self

    def predict_on_batch(self, images):
        self.shapes.append(images.shape)
        self.clock.now += next(self.seconds)


class Clock:
    now = 100.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def measured(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    detector = Detector(clock, [9, 9, 9, 0.010, 0.050, 0.020])  # three rounds to warm up
    found = latency.measure(detector, TINY, rounds=3)
    assert detector.shapes == [(1, 32, 64, 3)] * 6
    return found


def test_rounds_after_the_first_count(measured):
    assert measured["milliseconds"] == pytest.approx({"median": 20, "least": 10, "most": 50})
    assert measured["device"] and measured["cores"] >= 1


def test_it_reads_back(measured, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(measured))
    assert latency.read_latency(tmp_path / "a.json", TINY) == measured


@pytest.mark.parametrize(
    "change, message",
    [
        pytest.param({"preset": "yolov4-coco"}, "is of yolov4-coco, not of", id="another preset"),
        pytest.param({"device": None}, "device is None", id="no machine"),
    ],
)
def test_what_is_refused(measured, tmp_path, change, message):
    (tmp_path / "a.json").write_text(json.dumps(measured | change))
    with pytest.raises(ZooError, match=message):
        latency.read_latency(tmp_path / "a.json", TINY)


def test_no_file(tmp_path):
    with pytest.raises(ZooError, match="no latency without its file"):
        latency.read_latency(tmp_path / "a.json", TINY)
