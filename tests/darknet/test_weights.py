import keras
import numpy as np
import pytest

from zoo import config
from zoo.darknet.order import darknet_order
from zoo.darknet.weights import load_weights, slots, stored_layers
from zoo.detector import Detector
from zoo.errors import ZooError


def detector(model, classes=80):
    cfg = config.plain(config.compose(f"model/{model}")["model"])
    del cfg["loss"]  # reading weights needs none
    return Detector(cfg, [str(index) for index in range(classes)])


@pytest.mark.parametrize(
    "model, convolutions, bytes_of_file",
    [
        ("yolov3_tiny", 13, 35_434_956),
        ("yolov4_tiny", 21, 24_251_276),
        ("yolov3", 75, 248_007_048),
        ("yolov4", 110, 257_717_640),
    ],
)
def test_official_file_sizes(model, convolutions, bytes_of_file):
    records = [layer.record for layer in stored_layers(detector(model))]
    assert len(records) == convolutions
    assert 20 + 4 * sum(record.floats for record in records) == bytes_of_file


def cfg_shapes(path):
    """(filters, size, batch normalised) of each [convolutional], read off an official cfg."""
    shapes = []
    for section in path.read_text().split("[")[1:]:
        kind, _, text = section.partition("]")
        lines = ("".join(line.split()) for line in text.splitlines())
        keys = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
        if kind == "convolutional":
            normalized = keys.get("batch_normalize") == "1"
            shapes.append((int(keys["filters"]), int(keys["size"]), normalized))
    return shapes


@pytest.mark.parametrize("model", ["yolov3_tiny", "yolov4_tiny", "yolov3", "yolov4"])
def test_order_equals_the_official_cfg(model, oracle_dir):
    found = [slots(layer) for layer in darknet_order(detector(model))]
    ours = [(*kernel.shape[::3], len(vectors) == 4) for *vectors, kernel in found]
    assert ours == cfg_shapes(oracle_dir / "cfg" / f"{model.replace('_', '-')}.cfg")


@pytest.mark.parametrize(
    "model, weights, golden",
    [
        ("yolov4_tiny", "yolov4-tiny", "yolov4-tiny_dog_stretch"),
        ("yolov3_tiny", "yolov3-tiny", "yolov3-tiny-mask123_dog_stretch"),
    ],
)
def test_real_weights_give_the_golden_heads(model, weights, golden, oracle_dir):
    network = detector(model)
    load_weights(network, oracle_dir / "weights" / f"{weights}.weights")
    with np.load(oracle_dir / "forward/real/dog_inputs.npz") as inputs:
        images = inputs["stretch_416"].transpose(1, 2, 0)[None]
    predictions = network.predict_on_batch(images)
    with np.load(oracle_dir / f"forward/real/{golden}.npz") as expected:
        for index, level in enumerate(network.head.masks):
            ours = predictions[level][0].transpose(2, 0, 1)
            np.testing.assert_allclose(ours, expected[f"head{index}_in"], atol=2e-4, rtol=0)


def test_another_number_of_classes_is_refused_and_nothing_changes(oracle_dir):
    network = detector("yolov4_tiny", classes=3)
    before = [np.asarray(weight).copy() for weight in network.weights]
    message = "24,251,276 bytes, but the 21 layers of yolov4_tiny with 3 classes need"
    with pytest.raises(ZooError, match=message):
        load_weights(network, oracle_dir / "weights" / "yolov4-tiny.weights")
    for old, new in zip(before, network.weights, strict=True):
        np.testing.assert_array_equal(old, np.asarray(new))


def test_a_model_with_other_weights_is_not_a_darknet_network(tmp_path, monkeypatch):
    network = detector("yolov4_tiny")
    extra = keras.layers.Dense(1)
    extra.build((None, 3))  # 3 + 1 weights that no file could fill
    held = network.count_params() + extra.count_params()
    monkeypatch.setattr(type(network), "count_params", lambda self: held)
    with pytest.raises(ZooError, match=r"6,062,814 numbers here.* has 6,062,818 weights"):
        load_weights(network, tmp_path / "any.weights")
