import numpy as np
import pytest

import zoo
from zoo.data.sample import Labels
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


class Dogs:
    """Two images of 40×80 (height × width), each of a dog; there are cats elsewhere."""

    class_names, category_ids = ["dog", "cat"], [17, 18]

    def __len__(self):
        return 2

    def id(self, index):
        return f"dog-{index}"

    def size(self, index):
        return 40, 80

    def labels(self, index):
        return Labels.of([(0, 20, 40, 40)], [0])

    def image(self, index):
        return np.zeros((40, 80, 3), np.uint8)


class Seer:
    """A detector that finds an eel and a dog in one place of every image, of many candidates."""

    name, class_names, image_size, resize = "seer", ["cat", "dog", "eel"], (32, 32), "stretch"

    def __init__(self):
        self.seen = []

    def nms(self, **limits):
        return {"name": "default", **limits}

    def predictor(self, **options):
        return self

    def check_size(self, size):
        return tuple(size)

    def predict_on_batch(self, inputs):
        images, windows = inputs
        self.seen.append((images.shape, windows[0].tolist()))
        number = len(images)
        return {
            "boxes": np.tile(np.float32([-0.1, 0.25, 0.5, 0.75]), (number, 2, 1)),
            "scores": np.tile(np.float32([0.75, 0.5]), (number, 1)),
            "classes": np.tile([2, 1], (number, 1)),
            "count": np.full(number, 2),
            "candidates": np.full(number, 10**6),
        }


@pytest.mark.parametrize(
    ("options", "box"),
    [
        pytest.param({}, [0, 20, 40, 20], id="in sides of 80, cut at row 40"),
        pytest.param({"clip": False}, [-8, 20, 48, 40], id="not cut"),
        pytest.param({"isotropic": False}, [0, 10, 40, 20], id="in sides of 40 and 80"),
    ],
)
def test_boxes_of_classes_of_the_data_are_in_pixels_of_the_image(options, box):
    result = evaluate(Seer(), Dogs(), batch_size=1, **options)
    row = {"category_id": 17, "bbox": pytest.approx(box, abs=1e-5), "score": 0.5}
    assert result.found[:] == [{"image_id": index, **row} for index in range(2)]
    assert result.detections == [{"image_id": f"dog-{index}", **row} for index in range(2)]
    assert result.cut == 2


@pytest.mark.parametrize(
    ("options", "shape", "window"),
    [
        pytest.param({}, (32, 32), [0, 0, 1, 2], id="stretched"),
        pytest.param({"resize": "letterbox"}, (32, 32), [0, 0.25, 1, 1.25], id="letterboxed"),
        pytest.param({"image_size": [32, 64]}, (32, 64), [0, 0, 1, 2], id="wide"),
        pytest.param({"isotropic": False}, (32, 32), [0, 0, 1, 1], id="each side alone"),
    ],
)
def test_a_model_sees_the_size_and_the_window_that_are_asked_for(options, shape, window):
    seer = Seer()
    evaluate(seer, Dogs(), batch_size=3, **options)
    assert seer.seen == [((3, *shape, 3), window)]
