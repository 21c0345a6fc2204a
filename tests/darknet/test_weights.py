import struct

import keras
import numpy as np
import pytest

from zoo import config
from zoo.darknet.weights import ConvShape, load_weights, read_header, read_weights
from zoo.detector import Detector
from zoo.errors import ZooError

# beta, gamma, mean, variance of 2 filters + a 1×1 kernel on 3 channels: 4·2 + 6 = 14 numbers;
# then a bias of 1 filter + a 3×3 kernel on 2 channels: 1 + 18 = 19.
SHAPES = [ConvShape((1, 1, 3, 2), True), ConvShape((3, 3, 2, 1), False)]
FLOATS = 14 + 19
HEADER = struct.pack("<3iQ", 0, 2, 5, 64)


def body(count=FLOATS):
    return np.arange(count, dtype="<f4").tobytes()


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "some.weights"
        path.write_bytes(content)
        return path

    return write


# === The file ===


@pytest.mark.parametrize(
    "content, version, seen, size",
    [
        pytest.param(struct.pack("<4i", 0, 1, 0, 7), (0, 1, 0), 7, 16, id="0.1: 32-bit seen"),
        pytest.param(struct.pack("<3iQ", 0, 2, 0, 2**33), (0, 2, 0), 2**33, 20, id="0.2: 64-bit"),
        pytest.param(struct.pack("<3iQ", 2, 0, 0, 1), (2, 0, 0), 1, 20, id="2.0: 64-bit"),
    ],
)
def test_header(write, content, version, seen, size):
    header = read_header(write(content + body()))
    assert (header.version, header.seen, header.size) == (version, seen, size)
    assert len(read_weights(write(content + body()), SHAPES)) == 2


def test_order_of_the_arrays(write):
    (beta, gamma, mean, variance, kernel), (bias, second) = read_weights(
        write(HEADER + body()), SHAPES
    )
    assert beta.tolist() == [0, 1] and gamma.tolist() == [2, 3]
    assert mean.tolist() == [4, 5] and variance.tolist() == [6, 7]
    assert kernel.shape == (2, 3, 1, 1) and kernel[1, 2, 0, 0] == 13  # OIHW
    assert bias.tolist() == [14]
    assert second.shape == (1, 2, 3, 3) and second[0, 1, 2, 2] == 32


NEEDED = len(HEADER) + 4 * FLOATS  # 152 bytes


@pytest.mark.parametrize(
    "content, message",
    [
        pytest.param(b"", "0 bytes long", id="empty"),
        pytest.param(HEADER[:15], "15 bytes long", id="shorter than any header"),
        pytest.param(HEADER[:18], "header is cut short", id="cut in the header"),
        pytest.param(HEADER + body()[:-1], "151 bytes", id="one byte short"),
        pytest.param(HEADER + body() + b"\0", "153 bytes", id="one byte long"),
        pytest.param(HEADER + body(14), "76 bytes", id="cut between two layers"),
        pytest.param(HEADER + body() * 2, "too long", id="a larger model"),
        pytest.param(b"<!DOCTYPE html><html>" * 8, "not a Darknet", id="a web page"),
        pytest.param(b"\x89HDF\r\n\x1a\n" * 19, "not a Darknet", id="an HDF5 file"),
        pytest.param(struct.pack("<3i", 1000, 2, 5) + body(), "not a Darknet", id="transposed"),
        pytest.param(struct.pack("<3i", 0, -1, 5) + body(), "not a Darknet", id="negative"),
    ],
)
def test_refuses(write, content, message):
    path = write(content)
    with pytest.raises(ZooError, match=message) as caught:
        read_weights(path, SHAPES, "toy with 3 classes")
    assert str(path) in str(caught.value)


def test_every_cut_is_refused_and_names_what_was_expected(write):
    whole = HEADER + body()
    assert len(whole) == NEEDED
    for cut in range(len(HEADER), NEEDED):
        with pytest.raises(ZooError, match="2 convolutions of toy need 152"):
            read_weights(write(whole[:cut]), SHAPES, "toy")


@pytest.mark.parametrize("index, layer", [(0, 0), (13, 0), (14, 1), (32, 1)])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_refuses_numbers_that_are_not_finite(write, index, layer, value):
    values = np.arange(FLOATS, dtype="<f4")
    values[index] = value
    with pytest.raises(ZooError, match=f"NaN or infinity .* convolution {layer} "):
        read_weights(write(HEADER + values.tobytes()), SHAPES)


def test_length_is_checked_before_anything_is_allocated(tmp_path):
    sparse = tmp_path / "huge.weights"
    with sparse.open("wb") as file:
        file.write(HEADER)
        file.truncate(10 << 30)
    with pytest.raises(ZooError, match="10,737,418,240 bytes"):
        read_weights(sparse, SHAPES)
    with pytest.raises(ZooError, match="cannot be read"):
        read_weights(tmp_path / "missing.weights", SHAPES)


# === The networks of the zoo ===


def detector(model, classes=80):
    cfg = config.plain(config.compose(f"model/{model}")["model"])
    del cfg["loss"]  # reading weights needs none
    return Detector(cfg, [str(index) for index in range(classes)])


def test_another_number_of_classes_is_refused_and_nothing_changes(oracle_dir):
    network = detector("yolov4_tiny", classes=3)
    before = [np.asarray(weight).copy() for weight in network.weights]
    message = "24,251,276 bytes, but the 21 convolutions of yolov4_tiny with 3 classes need"
    with pytest.raises(ZooError, match=message):
        load_weights(network, oracle_dir / "weights" / "yolov4-tiny.weights")
    for old, new in zip(before, network.weights, strict=True):
        np.testing.assert_array_equal(old, np.asarray(new))


def test_a_model_with_other_weights_is_not_a_darknet_network(write, monkeypatch):
    network = detector("yolov4_tiny")
    extra = keras.layers.Dense(1)
    extra.build((None, 3))  # 3 + 1 weights that no file could fill
    held = network.count_params() + extra.count_params()
    monkeypatch.setattr(type(network), "count_params", lambda self: held)
    with pytest.raises(ZooError, match=r"6,062,814 numbers here.* has 6,062,818 weights"):
        load_weights(network, write(HEADER))
