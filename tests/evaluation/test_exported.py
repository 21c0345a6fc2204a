"""An exported file is evaluated as the model that it was made from."""

import importlib.util
import subprocess
import sys
from types import SimpleNamespace

import pytest

import zoo
from zoo.errors import ZooError
from zoo.evaluation.run import evaluate
from zoo.exported import ExportedDetector
from zoo.model_card.evidence import evaluation_manifest

METADATA = {
    "name": "tiny", "class_names": ["dog"], "image_size": [32, 32], "batch_size": 1,
    "resize": "stretch", "precision": "float32",
    "nms": {"name": "default", "score_threshold": 0.25, "iou_threshold": 0.45,
            "max_detections": 300},
}  # fmt: skip


class Dogs:
    class_names = ("dog",)

    def __len__(self):
        return 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param(
            {"score_threshold": 0.001, "max_detections": 100},
            r"finds nothing below score_threshold=0.25 and has max_detections=300 inside; for "
            r"score_threshold=0.001 max_detections=100 export it again", id="limits",
        ),
        pytest.param({}, "evaluation.isotropic=false", id="no window to measure by"),
    ],
)  # fmt: skip
def test_settings_that_a_file_does_not_have_are_said_at_once(options, sentence):
    detector = ExportedDetector(METADATA, None, "tiny.onnx")
    with pytest.raises(ZooError, match=sentence):
        evaluate(detector, Dogs(), **options)


def test_what_a_manifest_knows_a_file_by(tmp_path):
    (tmp_path / "m.xml").write_bytes(b"graph")
    (tmp_path / "m.bin").write_bytes(b"weights")
    found = ExportedDetector(METADATA, None, tmp_path / "m.xml").sha256
    # printf graphweights | sha256sum
    assert found == "e814e4e36a7a301f3911b1ee711295a206b8be436e937f9fadab5786479b36bd"


@pytest.mark.parametrize("size", [None, 32, [32, 32]])
def test_a_manifest_has_height_and_width_of_one_side_too(size, tmp_path):
    (tmp_path / "m.onnx").touch()
    manifest = evaluation_manifest(
        {"preset": "m.onnx", "data": {}, "split": "val", "evaluation": {"image_size": size}},
        rules="exported",
        detector=ExportedDetector(METADATA, None, tmp_path / "m.onnx"),
        source=SimpleNamespace(category_ids=[1], fingerprint="f"),
        found={"images": 1, "objects": 1, "metrics": {}, "darknet": {}},
        warning=None,
    )
    assert manifest["image_size"] == [32, 32]


@pytest.mark.slow
def test_onnx_has_the_average_precision_of_keras(mirror, data_dir, tmp_path):
    for module in ("onnx", "onnxruntime", "tf2onnx"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    from zoo.data.sources import open_source

    limits = ["score_threshold=0.01", "max_detections=100", "image_size=160"]
    done = subprocess.run(
        [sys.executable, "-m", "zoo.export", "preset=yolov4-tiny-coco", "format=onnx", *limits,
         f"output={tmp_path / 'm'}", f"hydra.run.dir={tmp_path}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    source = open_source({"name": "coco_json", "root": str(data_dir / "coco_mini")}, "val")
    keys = {"score_threshold": 0.01, "max_detections": 100, "isotropic": False}
    ours = evaluate(zoo.load("yolov4-tiny-coco"), source, image_size=[160, 160], **keys)
    theirs = evaluate(zoo.load(tmp_path / "m.onnx"), source, **keys)
    assert ours.metrics["AP50"] > 0.15
    assert theirs.metrics == pytest.approx(ours.metrics, abs=1e-3)
