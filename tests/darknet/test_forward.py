"""Every convolution, head, box and detection of the official cfgs against Darknet's own.

The big nets have synthetic weights, drawn bit for bit by the reference data's own script; the tiny
ones their real weights.
"""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from zoo import building, config
from zoo.darknet.order import convolutions, darknet_order
from zoo.darknet.weights import load_weights
from zoo.detector import Detector

KINDS = ("default", "greedynms", "diounms")


def build(model):
    cfg = config.plain(config.compose(f"model/{model}"))["model"]
    del cfg["loss"]  # a forward pass needs none
    return Detector(cfg, [str(number) for number in range(80)])


def forward(detector, images):
    """Outputs of all convolutions, (channels, h, w) by part and name, and the raw predictions."""
    features, found = images, {}
    for part in ("backbone", "neck", "head"):
        model = detector.get_layer(part)
        inner = {layer.name: layer.output for layer in convolutions(model)}
        probe = keras.Model(model.input, {"output": model.output, "inner": inner})
        outputs = probe.predict_on_batch(features)
        features = outputs["output"]
        found |= {(part, name): chw(values) for name, values in outputs["inner"].items()}
    return found, features


def chw(values):
    return np.asarray(values)[0].transpose(2, 0, 1)


def in_order(detector):
    """(part, layer name) of every convolution, in Darknet's order."""
    parts = ("backbone", "neck", "head")
    part_of = {
        id(layer): part for part in parts for layer in convolutions(detector.get_layer(part))
    }
    return [(part_of[id(layer)], layer.name) for layer in darknet_order(detector)]


def assert_layers(detector, outputs, golden, tolerance):
    """Shape, 16 values and 5 statistics of each convolution, relative to its largest value."""
    rows = np.flatnonzero(golden["layer_type"] == "convolutional")
    names = in_order(detector)
    assert len(names) == len(rows)
    for name, row in zip(names, rows, strict=True):
        ours = outputs[name]
        assert ours.shape == tuple(golden["layer_shape"][row]), name
        mean, std, norm, low, high = golden["layer_stats"][row]
        largest = max(abs(low), abs(high))
        flat = ours.ravel()
        middle = flat.size // 2
        values = [*flat[:8], *flat[middle : middle + 8], flat.mean(), flat.std()]
        values += [flat.min(), flat.max()]
        want = [*golden["layer_first8"][row], *golden["layer_mid8"][row], mean, std, low, high]
        what = f"layer {row}, {name}"
        np.testing.assert_allclose(values, want, rtol=0, atol=tolerance * largest, err_msg=what)
        assert np.linalg.norm(flat.astype("float64")) == pytest.approx(norm, rel=1e-4), what


def assert_heads(detector, raw, golden):
    for index, (level, mask) in enumerate(detector.head.masks.items()):
        want = golden[f"head{index}_in"]
        np.testing.assert_allclose(chw(raw[level]), want, rtol=0, atol=2e-4, err_msg=level)
        entries = np.reshape(raw[level], (*raw[level].shape[:3], len(mask), -1))
        centre, size = detector.head.cxcywh(level, keras.ops.convert_to_tensor(entries[..., 0:4]))
        boxes = np.concatenate([np.asarray(part)[0] for part in (centre, size)], axis=-1)
        want = golden[f"head{index}_boxes"]
        np.testing.assert_allclose(boxes, want, rtol=1e-4, atol=1e-5, err_msg=level)


def assert_detections(detector, raw, golden, kind, threshold):
    """The same rows [class, score, cx, cy, w, h], each paired with the nearest of the others.

    Boxes of random nets are up to tens of images wide; what is above 1 counts relative to itself.
    """
    candidates = len(golden[f"dets_raw_{threshold}"])
    nms = {
        "name": kind,
        "score_threshold": threshold,
        "iou_threshold": 0.45,
        "max_candidates": candidates + 1,
        "max_detections": candidates + 1,
    }
    boxes, scores = detector.head.decode(keras.tree.map_structure(keras.ops.convert_to_tensor, raw))
    found = building.build("nms", nms, boxes, scores)
    found = {key: np.asarray(values)[0] for key, values in found.items()}
    assert found["candidates"] == candidates
    corners = found["boxes"]
    ours = np.column_stack(
        [
            found["classes"],
            found["scores"],
            (corners[:, :2] + corners[:, 2:]) / 2,
            corners[:, 2:] - corners[:, :2],
        ]
    )[: found["count"]]
    want = golden[f"dets_{kind}_{threshold}"][:, [0, 1, 3, 4, 5, 6]]
    assert len(ours) == len(want)
    if len(want):
        apart = np.abs(ours[:, None] - want[None]) / np.maximum(np.abs(want[None]), 1)
        distance = apart.max(axis=-1)
        assert sorted(distance.argmin(axis=0)) == list(range(len(ours)))
        assert distance.min(axis=0).max() <= 1e-4


# === Synthetic weights ===

#: The sizes of the golden data: the last of each model is not square.
BIG = {
    "yolov3": ("128x128", "160x96"),
    "yolov3_spp": ("128x128", "160x96"),
    "yolov4": ("128x128", "160x96"),
    "yolov4_tiny_3l": ("128x128", "160x96"),
    "yolov4_csp": ("128x128", "160x96"),
    "yolov4_csp_swish": ("128x128", "160x96"),
    "yolov4x_mish": ("128x128", "160x96"),
    "yolov4_p5": ("128x128", "160x96"),
    "yolov4_p6": ("128x128", "192x128"),
}
FAST = {"yolov4_tiny_3l"}


@pytest.fixture(scope="module")
def loaded(request, oracle_dir, tmp_path_factory):
    """A model with the synthetic weights of its cfg, and the name of the cfg."""
    name = request.param.replace("_", "-")
    path = tmp_path_factory.mktemp("synthetic") / f"{name}.weights"
    script = oracle_dir / "forward" / "synth_weights.py"
    cfg = oracle_dir / "cfg" / f"{name}.cfg"
    try:
        done = subprocess.run(
            [sys.executable, script, cfg, path, "0"], capture_output=True, text=True, check=True
        )
        digest = done.stdout.split()[0]
        index = json.loads((oracle_dir / "forward" / "big" / "big_index.json").read_text())
        assert digest == index[f"{name}_seed0_128x128"]["weights_sha256"]
        detector = build(request.param)
        load_weights(detector, path)
    finally:
        path.unlink(missing_ok=True)  # up to half a gigabyte
    yield detector, name
    keras.backend.clear_session()


@pytest.mark.parametrize(
    "loaded",
    [
        pytest.param(model, marks=() if model in FAST else pytest.mark.slow, id=model)
        for model in BIG
    ],
    indirect=True,
)
@pytest.mark.parametrize("which", [pytest.param(0, id="square"), pytest.param(1, id="wide")])
def test_synthetic_weights(loaded, which, oracle_dir):
    detector, name = loaded
    size = BIG[name.replace("-", "_")][which]
    folder = oracle_dir / "forward" / "big"
    with np.load(folder / "inputs_dog.npz") as inputs:
        images = inputs[f"x_{size}"].transpose(1, 2, 0)[None]
    with np.load(folder / f"{name}_seed0_{size}.npz") as golden:
        outputs, raw = forward(detector, images)
        assert_layers(detector, outputs, golden, 2e-4 if size == "192x128" else 1e-4)
        assert_heads(detector, raw, golden)
        for kind in KINDS:
            assert_detections(detector, raw, golden, kind, 0.5)


# === Real weights ===


@pytest.mark.parametrize(
    "model, weights, golden",
    [
        ("yolov4_tiny", "yolov4-tiny", "yolov4-tiny"),
        ("yolov3_tiny", "yolov3-tiny", "yolov3-tiny-mask123"),
    ],
)
def test_real_weights(model, weights, golden, oracle_dir):
    detector = build(model)
    load_weights(detector, oracle_dir / "weights" / f"{weights}.weights")
    with np.load(oracle_dir / "forward" / "real" / "dog_inputs.npz") as inputs:
        images = inputs["stretch_416"].transpose(1, 2, 0)[None]
    with np.load(oracle_dir / "forward" / "real" / f"{golden}_dog_stretch.npz") as golden:
        outputs, raw = forward(detector, images)
        assert_layers(detector, outputs, golden, 2e-5)
        assert_heads(detector, raw, golden)
        for kind in KINDS:
            for threshold in (0.25, 0.005):
                assert_detections(detector, raw, golden, kind, threshold)
