import keras
import numpy as np
import pytest

from zoo import config
from zoo.darknet.weights import is_weights, load_weights
from zoo.detector import Detector
from zoo.errors import ZooError


def detector(model, classes=80):
    cfg = config.plain(config.compose(f"model/{model}")["model"])
    del cfg["loss"]  # reading weights needs none
    return Detector(cfg, [str(index) for index in range(classes)])


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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("yolov4.weights", True),
        ("yolov4.conv.137", True),
        ("yolov4-tiny.conv.29", True),
        ("yolov4.conv", False),
        ("yolov4.conv.137.keras", False),
        ("yolov4.weights.keras", False),
    ],
)
def test_names_of_darknets_files(name, expected):
    assert is_weights(name) == expected
