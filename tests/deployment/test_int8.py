"""Exports in int8: pictures to calibrate with, what stays in float, what they find."""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

import zoo
from zoo.deployment.calibration import Calibration
from zoo.errors import ZooError

#: An engine forks, of which JAX warns where the tests run on it.
pytestmark = pytest.mark.filterwarnings("ignore:os.fork.. was called:RuntimeWarning")


@pytest.fixture
def folder(tmp_path):
    """Three pictures of 8 × 4, named against the order in which they were written."""
    for name, value in (("c", 30), ("a", 10), ("b", 20)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((4, 8, 3), value, np.uint8))
    return tmp_path


def calibration(folder, **options):
    given = {"limit": 9, "size": (32, 32), "resize": "stretch", "batch_size": 1, **options}
    return Calibration(folder, **given)


def test_pictures_come_prepared_in_the_order_of_their_names(folder):
    batches = list(calibration(folder))
    assert [batch["images"].shape for batch in batches] == [(1, 32, 32, 3)] * 3
    assert [float(batch["images"].mean() * 255) for batch in batches] == pytest.approx([10, 20, 30])
    assert [list(batch) for batch in batches] == [["images"]] * 3


def test_batches_are_filled_up_and_letterboxes_have_windows(folder):
    found = calibration(folder, batch_size=2, resize="letterbox")
    first, last = found
    assert len(found) == 2
    assert first["images"].shape == last["images"].shape == (2, 32, 32, 3)
    np.testing.assert_array_equal(last["images"][0], last["images"][1])
    # 8 × 4 in 32 × 32 is 32 × 16 with 8 rows of grey above and below.
    np.testing.assert_array_equal(first["window"], [[0, 0.25, 1, 0.75]] * 2)


def test_the_file_will_know_which_pictures_they_were(folder):
    found = calibration(folder, limit=2)
    assert len(list(found)) == 2
    digest = hashlib.sha256()
    for name in ("a.png", "b.png"):
        content = (folder / name).read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    assert found.facts() == {"pictures": 2, "sha256": digest.hexdigest()}
    (folder / "a.png").rename(folder / "aa.png")
    assert calibration(folder, limit=2).facts()["sha256"] != digest.hexdigest()


def test_a_folder_without_pictures_is_named(tmp_path):
    with pytest.raises(ZooError, match=f"{tmp_path}.*no picture there"):
        calibration(tmp_path)


def test_a_bad_picture_is_named_before_anything_is_converted(folder):
    whole = (folder / "b.png").read_bytes()
    (folder / "b.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ZooError, match=r"b\.png is a truncated PNG; replace or remove it"):
        calibration(folder)
    calibration(folder, limit=1)  # which is a.png alone


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param({"precision": "int8"}, "calibration.source=FOLDER", id="no pictures"),
        pytest.param(
            {"precision": "float32", "calibration": {"source": "."}},
            "calibration.source is for precision=int8, not float32", id="not needed",
        ),
        pytest.param(
            {"precision": "int8", "calibration": {"source": ".", "pictures": 0}},
            "calibration.pictures=0: must be a whole number, at least 1", id="none of them",
        ),
        pytest.param(
            {"precision": "int8", "calibration": {"source": ".", "pictures": "abc"}},
            "calibration.pictures=abc: must be a whole number", id="a word for a number",
        ),
        pytest.param(
            {"precision": "int8", "calibration": {"source": ".", "pictures": 1.5}},
            "calibration.pictures=1.5: must be a whole number", id="half of one to calibrate",
        ),
        pytest.param({"resize": "crop"}, "no resize 'crop'; there are: letterbox", id="resize"),
        pytest.param({"batch_size": 0}, "batch_size=0: must be a whole number", id="no picture"),
        pytest.param({"suppress": False, "max_detections": 5},
                     "max_detections: of an NMS, which suppress=false leaves out", id="no NMS"),
        pytest.param({"batch_size": 1.5}, "batch_size=1.5: must be a whole", id="half a picture"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_before_anything_is_built(options, sentence, tmp_path):
    from zoo.deployment.exporting import export

    with pytest.raises(ZooError, match=sentence):
        export(None, tmp_path / "x", format="litert", **options)


def test_detection_makes_no_int8_file_by_itself():
    from zoo.runtimes import exported

    if importlib.util.find_spec("ai_edge_litert") is None:
        pytest.skip("ai_edge_litert is not installed")
    with pytest.raises(ZooError, match=r"zoo.export preset=x format=litert precision=int8 calib"):
        exported("x", runtime="litert", precision="int8")


def test_without_nncf_its_extra_is_named(monkeypatch, tmp_path):
    pytest.importorskip("openvino")
    from zoo.format import contract
    from zoo.format.openvino import OpenVINO

    def missing(module):
        if module == "nncf":
            raise ImportError(module)

    monkeypatch.setattr(contract.importlib, "import_module", missing)
    keys = {"metadata": {}, "precision": "int8", "calibration": []}
    with pytest.raises(ZooError, match=r"nncf is not installed: .*keras-yolo-zoo\[int8\]"):
        OpenVINO().write(None, tmp_path / "x.xml", **keys)


def test_openvino_leaves_what_follows_the_last_convolution_in_float():
    pytest.importorskip("openvino")
    import openvino.opset14 as ops
    from openvino import Model

    from zoo.format.openvino import _after_convolutions

    def convolution(x, name):
        kernel = ops.constant(np.ones((3, 3, 1, 1), "float32"))
        return ops.convolution(x, kernel, [1, 1], [0, 0], [0, 0], [1, 1], name=name)

    images = ops.parameter([1, 3, 8, 8], name="images")
    middle = ops.relu(convolution(images, "first"), name="middle")
    last = convolution(middle, "last")
    decoded = ops.multiply(ops.sigmoid(last, name="sigmoid"), middle, name="decoded")
    model = Model([ops.result(decoded, name="result")], [images])
    assert set(_after_convolutions(model)) == {"sigmoid", "decoded", "result"}


PREDICT = """
import sys, time
from pathlib import Path
import numpy as np, tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from zoo.format.litert import LiteRT

random = np.random.default_rng(0)
first, last = (random.normal(size=(1, 1, *shape)).astype("float32") for shape in ((3, 8), (8, 2)))

@tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 3), tf.float32, name="images")])
def network(images):
    x = tf.nn.leaky_relu(tf.nn.conv2d(images, first, 1, "SAME"))
    scores = tf.sigmoid(tf.reshape(tf.nn.conv2d(x, last, 1, "SAME"), (1, -1)))
    return {"best": tf.math.top_k(scores * scores, 5).values}

calibration = [{"images": random.random((1, 8, 8, 3), "float32")} for _ in range(3)]
for name in sys.argv[1:]:
    time.sleep(2)  # the resolution of a zip archive's dates
    path = Path(name)
    LiteRT().write(network, path, metadata={"class_names": []}, precision="int8",
                   calibration=calibration)
    graph = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    kinds = {value: key for key, value in vars(schema.BuiltinOperator).items()}
    for operation in graph.subgraphs[0].operators:
        types = {graph.subgraphs[0].tensors[index].type for index in
                 [*operation.inputs, *operation.outputs] if index >= 0}
        code = graph.operatorCodes[operation.opcodeIndex]
        kind = kinds[max(code.builtinCode, code.deprecatedBuiltinCode)]
        print("=", kind, schema.TensorType.INT8 in types)

half = path.with_name("half.tflite")
LiteRT().write(network, half, metadata={"class_names": []}, precision="float16")
graph = schema.ModelT.InitFromPackedBuf(half.read_bytes(), 0)
types = {tensor.type for tensor in graph.subgraphs[0].tensors}
print("half", schema.TensorType.FLOAT16 in types, schema.TensorType.INT8 in types)
"""


def test_litert_leaves_scores_in_float_and_writes_the_same_file_again(tmp_path):
    """In int8; the halves of float16 are of weights alone."""
    files = [tmp_path / "a.tflite", tmp_path / "b.tflite"]
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, *files], capture_output=True, text=True, check=False,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("= ")]
    network = ["QUANTIZE", "CONV_2D", "LEAKY_RELU", "DEQUANTIZE"]
    assert lines[:4] == [[kind, "True"] for kind in network]
    predicting = lines[4 : len(lines) // 2]
    assert {"CONV_2D", "LOGISTIC", "TOPK_V2"} <= {kind for kind, _ in predicting}
    assert {quantised for _, quantised in predicting} == {"False"}
    assert len({file.read_bytes() for file in files}) == 1
    assert "half True False" in done.stdout


SCRIPT = """
import sys
from pathlib import Path
import numpy as np, zoo
from zoo.deployment.exporting import export
preset, path, format, pictures, picture = sys.argv[1:]
detector, path = zoo.load(preset), Path(path)
export(detector, path, format=format, precision="int8",
       calibration={"source": pictures, "pictures": 4})
found = detector.detect(picture)[0]
np.savez(path.with_suffix(".npz"), xyxy=found.xyxy, label=found.class_id)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "suffix", "modules"),
    [
        pytest.param("litert", ".tflite", ["ai_edge_litert"], id="litert"),
        pytest.param("openvino", ".xml", ["openvino", "nncf"], id="openvino"),
    ],
)
def test_int8_finds_nearly_the_same_boxes(name, suffix, modules, mirror, oracle_dir, tmp_path):
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    dog, file = oracle_dir / "images" / "dog.jpg", tmp_path / "int8"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "yolov4-tiny-coco", file, name, dog.parent, dog],
        capture_output=True, text=True, check=False,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    detector = zoo.load(f"{file}{suffix}")
    assert detector.metadata["precision"] == "int8"
    assert detector.metadata["calibration"]["pictures"] == 4
    json.dumps(detector.metadata)
    weights = file.with_suffix(".bin" if name == "openvino" else ".tflite")
    assert weights.stat().st_size < 8e6  # of 6.06 million parameters, 24 MB in float32
    (found,) = detector.detect(str(dog))
    with np.load(file.with_suffix(".npz")) as keras:
        best = dict(zip(keras["label"][::-1], keras["xyxy"][::-1], strict=True))
    for label in (16, 1):  # dog, bicycle
        (row, *_) = np.flatnonzero(found.class_id == label)
        width, height = best[label][2:] - best[label][:2]
        # Boxes move by a few hundredths of their size; quantised coordinates move by more.
        shift = np.abs(found.xyxy[row] - best[label]) / [width, height, width, height]
        assert shift.max() < 0.06
    assert len(np.unique(found.xyxy)) > 2 * len(found)  # no grid of 256 steps
