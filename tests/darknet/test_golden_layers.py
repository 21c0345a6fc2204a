"""Every layer of the official networks against Darknet's, with real and with synthetic weights."""

import hashlib
import json
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

from zoo.darknet.cfg import parse, read_cfg
from zoo.darknet.file import Record, read_weights
from zoo.darknet.graph import build_network
from zoo.darknet.weights import slots


def network(cfg, weights):
    built = build_network(cfg)
    found = [slots(built.keras_layers[layer.index]) for layer in built.layers if layer.in_file]
    records = [Record(str(i), tuple(slot.shape for slot in of)) for i, of in enumerate(found)]
    for of, arrays in zip(found, read_weights(weights, records), strict=True):
        for slot, array in zip(of, arrays, strict=True):
            slot.load(array)
    return built


def compare(built, image, golden, tolerance):
    """All layers: shape, first and middle eight values, moments; relative to the largest value."""
    model = keras.Model(built.input, built.outputs)
    outputs = model.predict_on_batch(image.transpose(1, 2, 0)[None])
    assert len(outputs) == len(golden["layer_shape"])
    heads = 0
    for index, output in enumerate(outputs):
        found = np.asarray(output)[0].transpose(2, 0, 1)
        mean, std, norm, low, high = golden["layer_stats"][index]
        name = f"layer {index} [{golden['layer_type'][index]}]"
        assert found.shape == tuple(golden["layer_shape"][index]), name
        limit = tolerance * max(abs(low), abs(high))
        flat, middle = found.ravel(), found.size // 2
        for values, key in ((flat[:8], "layer_first8"), (flat[middle : middle + 8], "layer_mid8")):
            want = golden[key][index][: values.size]
            np.testing.assert_allclose(values, want, atol=limit, rtol=0, err_msg=name)
        moments = [flat.mean(dtype="f8"), flat.std(dtype="f8"), flat.min(), flat.max()]
        np.testing.assert_allclose(
            moments, [mean, std, low, high], atol=limit, rtol=0, err_msg=name
        )
        norm_found = np.linalg.norm(flat.astype("f8"))
        assert norm_found == pytest.approx(norm, abs=limit * np.sqrt(flat.size)), name
        layer = built.layers[index]
        if layer.section.kind == "yolo":
            raw = np.asarray(outputs[layer.sources[0]])[0].transpose(2, 0, 1)
            np.testing.assert_allclose(raw, golden[f"head{heads}_in"], atol=2e-4, rtol=0)
            heads += 1
    assert heads


@pytest.mark.parametrize(
    ("cfg", "weights"),
    [("yolov4-tiny", "yolov4-tiny"), ("yolov3-tiny-mask123", "yolov3-tiny")],
)
def test_real_weights(cfg, weights, oracle_dir):
    built = network(
        read_cfg(oracle_dir / f"cfg/{cfg}.cfg"), oracle_dir / f"weights/{weights}.weights"
    )
    with np.load(oracle_dir / "forward/real/dog_inputs.npz") as inputs:
        image = inputs["stretch_416"]
    with np.load(oracle_dir / f"forward/real/{cfg}_dog_stretch.npz") as golden:
        compare(built, image, golden, 2e-5)


#: Models whose official weights were not available; p6 is less well conditioned.
BIG = {
    "yolov3": 1e-4, "yolov3-spp": 1e-4, "yolov4": 1e-4, "yolov4-tiny-3l": 1e-4, "yolov4-csp": 1e-4,
    "yolov4-csp-swish": 1e-4, "yolov4x-mish": 1e-4, "yolov4-p5": 1e-4, "yolov4-p6": 2e-4,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("name", "tolerance"), BIG.items())
def test_synthetic_weights(name, tolerance, oracle_dir, tmp_path):
    folder = oracle_dir / "forward/big"
    cases = {
        case: about
        for case, about in json.loads((folder / "big_index.json").read_text()).items()
        if about["model"] == name
    }
    assert len(cases) == 2  # square and not
    built = None
    for case, about in cases.items():
        if built is None:
            weights = synthetic(oracle_dir, about, tmp_path / "synthetic.weights")
            text = (oracle_dir / "cfg" / about["cfg"]).read_text()
            built = network(resized(text, about["net_h"], about["net_w"]), weights)
            weights.unlink()
        size = f"{about['net_w']}x{about['net_h']}"
        with (
            np.load(folder / "inputs_dog.npz") as inputs,
            np.load(folder / f"{case}.npz") as golden,
        ):
            compare(built, inputs[f"x_{size}"], golden, tolerance)


def synthetic(oracle_dir, about, path):
    script = oracle_dir / "forward/synth_weights.py"
    arguments = [str(oracle_dir / "cfg" / about["cfg"]), str(path), str(about["seed"])]
    subprocess.run([sys.executable, script, *arguments], check=True, capture_output=True)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest == about["weights_sha256"]
    assert path.stat().st_size == about["weights_bytes"]
    return path


def resized(text, height, width):
    text = re.sub(r"(?m)^width\s*=.*$", f"width={width}", text, count=1)
    return parse(re.sub(r"(?m)^height\s*=.*$", f"height={height}", text, count=1))
