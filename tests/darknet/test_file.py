import struct

import numpy as np
import pytest

from zoo.darknet.file import Record, read_header, read_weights
from zoo.errors import ZooError

# beta, gamma, mean, variance of 2 filters + a 1×1 kernel on 3 channels: 4·2 + 6 = 14 numbers;
# then a bias of 1 filter + a 3×3 kernel on 2 channels: 1 + 18 = 19.
SHAPES = [
    Record("layer 0", ((2,), (2,), (2,), (2,), (2, 3, 1, 1))),
    Record("layer 1", ((1,), (1, 2, 3, 3))),
]
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
        with pytest.raises(ZooError, match="2 layers of toy need 152"):
            read_weights(write(whole[:cut]), SHAPES, "toy")


@pytest.mark.parametrize("index, layer", [(0, 0), (13, 0), (14, 1), (32, 1)])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_refuses_numbers_that_are_not_finite(write, index, layer, value):
    values = np.arange(FLOATS, dtype="<f4")
    values[index] = value
    with pytest.raises(ZooError, match=f"NaN or infinity .* layer {layer} "):
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
