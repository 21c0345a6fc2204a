"""COCO AP of the real presets on real images against OpenCV's reader of the same files."""

import json

import pytest

import zoo
from zoo.data.sources import open_source
from zoo.evaluation.run import evaluate

ROWS = {
    "yolov4-tiny-coco": "opencv|yolov4-tiny|stretch",
    "yolov3-tiny-coco": "opencv|yolov3-tiny-mask123|stretch",
}


@pytest.mark.slow
@pytest.mark.parametrize("preset", ROWS)
def test_ap_equals_opencvs(preset, mirror, oracle_dir, data_dir):
    want = json.loads((oracle_dir / "eval" / "coco_ap.json").read_text())["rows"][ROWS[preset]]
    source = open_source({"name": "coco_json", "root": str(data_dir / "coco_mini" / "val")}, "val")
    result = evaluate(
        zoo.load(preset), source, name="default", iou_threshold=0.45, score_threshold=0.001,
        max_candidates=4096, max_detections=100,
    )  # fmt: skip
    got = {key: result.metrics[key] for key in ("AP", "AP50")}
    assert got == pytest.approx({key: want[key] for key in got}, abs=0.003)


@pytest.mark.slow
def test_backends_agree_on_the_dog(mirror, oracle_dir, tmp_path):
    """Boxes of one picture from a process of each backend, within 1e-4 of the picture's size."""
    import os
    import subprocess
    import sys

    import numpy as np

    code = (
        "import sys, numpy as np, zoo; d = zoo.load('yolov4-tiny-coco');"
        "(f,) = d.detect(sys.argv[1], score_threshold=0.25);"
        "np.savez(sys.argv[2], xyxy=f.xyxy / [768, 576, 768, 576], score=f.confidence,"
        " label=f.class_id)"
    )
    found = []
    for backend in ("tensorflow", "jax"):
        file = tmp_path / f"{backend}.npz"
        command = [sys.executable, "-c", code, str(oracle_dir / "images" / "dog.jpg"), str(file)]
        subprocess.run(command, check=True, env={**os.environ, "KERAS_BACKEND": backend})
        found.append(dict(np.load(file)))
    one, other = found
    assert one["label"].tolist() == other["label"].tolist()
    np.testing.assert_allclose(one["score"], other["score"], atol=1e-4)
    np.testing.assert_allclose(one["xyxy"], other["xyxy"], atol=1e-4)
