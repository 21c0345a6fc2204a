import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.data.geometry import INTERPOLATIONS, MODES, resize
from zoo.errors import ZooError


@pytest.fixture(scope="module")
def golden(oracle_dir):
    return dict(np.load(oracle_dir / "preprocess" / "resize.npz"))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", range(10))
def test_darknet_interpolation_is_darknets(golden, mode, case):
    image, expected = golden[f"case{case}_image_u8_hwc"], golden[f"case{case}_{mode}"]
    pixels, _ = resize(image, expected.shape[1:], mode=mode, interpolation="darknet")
    np.testing.assert_allclose(pixels.transpose(2, 0, 1), expected, rtol=0, atol=1e-6)


def test_the_oracle_shows_the_black_last_row(golden):
    assert json.loads(str(golden["meta_json"]))[6]["last_row_artefact"]


def test_letterbox_keeps_the_aspect_ratio_on_grey():
    """200×100 into 64×64: 64×32 in the middle, 16 rows of grey above and below."""
    pixels, geometry = resize(np.full((100, 200, 3), 255, np.uint8), (64, 64), mode="letterbox")
    assert pixels.dtype == np.float32
    assert (pixels[:16] == 0.5).all() and (pixels[48:] == 0.5).all() and (pixels[16:48] == 1).all()
    np.testing.assert_allclose(geometry.forward([0, 0, 200, 100]), [0, 16, 64, 48])
    assert geometry.original == (100, 200)


def test_stretch_fills_the_input():
    pixels, geometry = resize(np.zeros((100, 200, 3), np.uint8), (64, 32), mode="stretch")
    assert pixels.shape == (64, 32, 3)
    np.testing.assert_allclose(geometry.forward([100, 50, 200, 100]), [16, 32, 32, 64])


def test_odd_padding():
    """10×9 into 10×10: one column is left; pixels start at column 0, Darknet maps back from ½."""
    image = np.zeros((10, 9, 3), np.uint8)
    assert resize(image, (10, 10), mode="letterbox")[1].pad_x == 0
    assert resize(image, (10, 10), mode="letterbox", interpolation="darknet")[1].pad_x == 0.5


@pytest.mark.parametrize("mode", MODES)
def test_a_bright_rectangle_lands_in_its_box(mode):
    image = np.zeros((120, 90, 3), np.uint8)
    image[30:80, 20:50] = 255
    pixels, geometry = resize(image, (96, 160), mode=mode)
    ys, xs = np.nonzero(pixels[..., 0] > 0.75)
    found = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
    np.testing.assert_allclose(geometry.forward([20, 30, 50, 80]), found, atol=1)


sides = st.integers(1, 700)


@given(
    h=sides, w=sides, height=st.integers(1, 20), width=st.integers(1, 20),
    mode=st.sampled_from(MODES), interpolation=st.sampled_from(INTERPOLATIONS),
    corners=st.lists(st.floats(0, 1), min_size=4, max_size=4),
)  # fmt: skip
def test_a_box_lies_in_the_window_as_in_the_image(
    h, w, height, width, mode, interpolation, corners
):
    image = np.zeros((h, w, 3), np.uint8)
    size = (32 * height, 32 * width)
    pixels, geometry = resize(image, size, mode=mode, interpolation=interpolation)
    assert pixels.shape == (*size, 3)
    box = np.array(corners) * [w, h, w, h]
    inside = geometry.forward(box)
    assert (inside >= -1e-3).all() and (inside <= np.array([*size[::-1]] * 2) + 1e-3).all()
    low, high = np.split(geometry.window(size).astype(float), 2)
    relative = inside.reshape(2, 2) / size[::-1]
    np.testing.assert_allclose(
        (relative - low) / (high - low) * [w, h], box.reshape(2, 2), atol=1e-3 * max(1, h, w)
    )


@pytest.mark.parametrize(
    ("mode", "window"),
    [
        pytest.param("stretch", [0, 0, 1, 1], id="all of the input"),
        pytest.param("letterbox", [0, 1 / 6, 1, 5 / 6], id="64 of 96 rows, 16 above"),
    ],
)
def test_window(mode, window):
    _, geometry = resize(np.zeros((40, 60, 3), np.uint8), (96, 96), mode=mode)
    np.testing.assert_allclose(geometry.window((96, 96)), window, rtol=1e-6)


def test_isotropic_window_is_the_square_of_the_long_side():
    _, geometry = resize(np.zeros((40, 60, 3), np.uint8), (96, 96), mode="stretch")
    np.testing.assert_allclose(geometry.window((96, 96), isotropic=True), [0, 0, 1, 1.5], rtol=1e-6)


def test_unknown_mode_and_interpolation():
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ZooError, match="no resize mode 'leterbox'; did you mean letterbox"):
        resize(image, (32, 32), mode="leterbox")
    with pytest.raises(ZooError, match="no resize interpolation 'cubic'; there are: darknet, lin"):
        resize(image, (32, 32), mode="stretch", interpolation="cubic")


def test_an_array_of_four_times_the_input_is_averaged_first():
    # Every fourth column is white, a level of 64 on average. Eight columns make one of the input;
    # interpolated alone its centre, 3.5, lies between a black column and a white one.
    image = np.zeros((512, 512, 3), np.uint8)
    image[:, ::4] = 255
    pixels, geometry = resize(image, (64, 64), mode="stretch")
    np.testing.assert_allclose(pixels, 64 / 255, rtol=1e-6)
    assert geometry.original == (512, 512) and geometry.scale_x == 1 / 8
    exact, _ = resize(image, (64, 64), mode="stretch", interpolation="darknet")
    below, _ = resize(image[:, :508], (128, 128), mode="stretch")  # 508 is less than four times 128
    assert np.ptp(exact) > 0.5 and np.ptp(below) > 0.5
