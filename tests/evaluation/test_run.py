import numpy as np
import pytest

import zoo
from zoo.data.sources.shapes import Shapes
from zoo.errors import ZooError
from zoo.evaluation import run
from zoo.evaluation.run import _cut, evaluate


@pytest.mark.parametrize(
    ("candidates", "count", "nms", "cut"),
    [
        pytest.param(9, 2, {"max_candidates": 8, "max_detections": 3}, 1, id="more to look at"),
        pytest.param(8, 2, {"max_candidates": 8, "max_detections": 3}, 0, id="all looked at"),
        pytest.param(9, 3, {"max_candidates": 8, "max_detections": 3}, 0, id="room for no other"),
        pytest.param(9, 2, {}, 0, id="an NMS without limits"),
    ],
)
def test_images_with_candidates_left(candidates, count, nms, cut):
    # The second image fills the batch up and does not count.
    outputs = {"candidates": np.array([candidates, 99]), "count": np.array([count, 0])}
    assert _cut(outputs, 1, nms) == cut


@pytest.fixture(scope="module")
def detector():
    return zoo.build("yolov4_tiny", Shapes(split="val").class_names)


@pytest.mark.parametrize(
    ("limit", "value", "wanted"),
    [
        ("max_detections", 0, "a whole number, at least 1"),
        ("max_candidates", 1.5, "a whole number"),
        ("score_threshold", 2, "a number from 0 to 1"),
        ("iou_threshold", "abc", "a number"),
    ],
)
def test_limits_are_looked_at_before_the_model_runs(detector, limit, value, wanted, monkeypatch):
    monkeypatch.setattr(run, "evaluation_batches", None)
    with pytest.raises(ZooError, match=rf"^nms .*{limit}='?{value}'?:? must be {wanted}"):
        evaluate(detector, Shapes(split="val", held_out=2), **{limit: value})
