"""Real weights on real pictures against Darknet: the whole way from a file to boxes."""

import numpy as np
import pytest

import zoo
from zoo.config import compose, plain

PRESETS = {"yolov4-tiny-coco": "yolov4-tiny", "yolov3-tiny-coco": "yolov3-tiny-mask123"}


@pytest.fixture(scope="module")
def detectors(oracle_dir):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_MIRROR", str(oracle_dir / "weights"))
        return {name: zoo.load(name) for name in PRESETS}


def golden_rows(oracle_dir, preset, image, mode, kind, threshold=0.25):
    """[class, score, x1, y1, x2, y2] relative to the picture, in falling order of score."""
    file = oracle_dir / "forward" / "real" / f"{PRESETS[preset]}_{image}_{mode}.npz"
    rows = np.load(file)[f"dets_{kind}_{threshold}"]
    half = rows[:, 5:7] / 2
    rows = np.column_stack([rows[:, :2], rows[:, 3:5] - half, rows[:, 3:5] + half])
    return rows[np.argsort(-rows[:, 1], kind="stable")]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("image", ["dog", "person"])
@pytest.mark.parametrize("mode", ["stretch", "letterbox"])
@pytest.mark.parametrize("threshold", [0.25, 0.005])
def test_detections_equal_darknets(detectors, oracle_dir, preset, image, mode, threshold):
    detector = detectors[preset]
    picture = oracle_dir / "forward" / "real" / f"{image}_decoded.png"
    (found,) = detector.detect(
        picture, resize=mode, interpolation="darknet", score_threshold=threshold
    )
    want = golden_rows(oracle_dir, preset, image, mode, detector.cfg["nms"]["name"], threshold)
    height, width = {"dog": (576, 768), "person": (424, 640)}[image]
    assert found.class_id.tolist() == want[:, 0].astype(int).tolist()
    np.testing.assert_allclose(found.confidence, want[:, 1], atol=1e-4)
    np.testing.assert_allclose(found.xyxy / [width, height, width, height], want[:, 2:], atol=1e-5)


@pytest.mark.parametrize("mode", ["stretch", "letterbox"])
def test_jpeg_and_opencv_resize_find_the_same_objects(detectors, oracle_dir, mode):
    """Another decoder and another resize move boxes by a pixel or two, not more."""
    (found,) = detectors["yolov4-tiny-coco"].detect(oracle_dir / "images" / "dog.jpg", resize=mode)
    want = golden_rows(oracle_dir, "yolov4-tiny-coco", "dog", mode, "greedynms")
    assert sorted(found.class_id) == sorted(want[:, 0].astype(int))
    order = np.argsort(found.class_id, kind="stable")
    wanted = want[np.argsort(want[:, 0], kind="stable")]
    np.testing.assert_allclose(found.confidence[order], wanted[:, 1], atol=0.1)
    np.testing.assert_allclose(found.xyxy[order] / [768, 576, 768, 576], wanted[:, 2:], atol=0.02)


def test_golden_scores_of_the_readme(detectors, oracle_dir):
    """Dog, truck, car, bicycle, as printed by Darknet for the dog at 416 pixels."""
    picture = oracle_dir / "forward" / "real" / "dog_decoded.png"
    (found,) = detectors["yolov4-tiny-coco"].detect(picture, interpolation="darknet")
    scores = dict(zip(found.data["class_name"].tolist(), found.confidence, strict=True))
    assert scores == pytest.approx(
        {"dog": 0.835385, "truck": 0.779716, "bicycle": 0.604906, "car": 0.455563}, abs=1e-4
    )


def test_yolov3_tiny_uses_anchors_1_to_3():
    """Its weights do not fit the mask 0, 1, 2 of later cfgs."""
    cfg = plain(compose("model/yolov3_tiny"))["model"]
    assert cfg["head"]["masks"] == {"P5": [3, 4, 5], "P4": [1, 2, 3]}
