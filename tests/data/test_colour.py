"""Colours and blur."""

import cv2
import numpy as np
import pytest
from scenes import call, scene

from zoo.data.transforms import colour
from zoo.data.transforms.example import Example


def test_darknets_change_of_colours(oracle_dir):
    golden = dict(np.load(oracle_dir / "preprocess" / "hsv.npz"))
    pixels = np.divide(golden["image_u8_hwc"], 255, dtype=np.float32)
    cases = golden["params_hue_sat_exp"]
    assert len(cases) == 6
    for case, (hue, saturation, exposure) in enumerate(cases):
        made = colour.distort(pixels, turn=float(hue), gains=(float(saturation), float(exposure)))
        np.testing.assert_allclose(made.transpose(2, 0, 1), golden[f"out{case}"], atol=1e-5)


def test_tables_are_close_to_darknets_floats():
    # Muted, so that nothing saturates: tables do so before the way back to RGB, floats after it.
    image = np.random.default_rng(0).integers(80, 160, (40, 40, 3), np.uint8)
    example = Example(image, np.zeros((0, 4), np.float32), np.zeros(0, np.int32))
    for seed in range(5):
        exact, table = (
            colour.darknet_hsv(example, np.random.default_rng(seed), exact=exact).image.astype(int)
            for exact in (True, False)
        )
        assert np.abs(exact - image).mean() > 3
        assert np.abs(exact - table).mean() < 1


def test_gains_of_one_change_nothing_but_rounding():
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    example = Example(image, np.zeros((0, 4), np.float32), np.zeros(0, np.int32))
    made = colour.hsv(example, np.random.default_rng(0), hue=0, saturation=0, value=0)
    assert np.abs(made.image.astype(int) - image).max() <= 6  # 180 hues


def test_hue_wraps():
    red = Example(np.full((2, 2, 3), (255, 0, 0), np.uint8), np.zeros((0, 4), np.float32),
                  np.zeros(0, np.int32))  # fmt: skip
    for seed in range(10):
        turned = [colour.darknet_hsv(red, np.random.default_rng(seed), saturation=1, exposure=1,
                                     exact=exact).image[0, 0].astype(int)
                  for exact in (True, False)]  # fmt: skip
        assert np.abs(turned[0] - turned[1]).max() <= 9  # 180 hues of 256³ colours


def test_grey_has_no_colour():
    made = colour.grey(scene((3, 3, 9, 9)), np.random.default_rng(0), probability=1.0).image
    assert (made[..., 0] == made[..., 1]).all() and (made[..., 1] == made[..., 2]).all()


def test_blur_leaves_nothing_the_background_or_everything_as_it_is():
    """A third of the time each; objects are sharp unless all is blurred, and then less so."""
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    example = Example(image, np.array([[30, 20, 90, 84]], np.float32), np.zeros(1, np.int32))
    seen = []
    for seed in range(90):
        changed = call("blur", example, seed).image != image
        inside = changed[20:84, 30:90].mean()
        changed[20:84, 30:90] = False
        seen.append((bool(inside > 0.5), bool(changed.any())))
        assert inside in (0, 1) or inside > 0.9
    counts = [seen.count(kind) for kind in ((False, False), (False, True), (True, True))]
    assert sum(counts) == 90 and min(counts) > 15


def test_everything_is_blurred_by_an_eighth_of_the_smallest_side():
    image = np.random.default_rng(0).integers(0, 256, (80, 120, 3), np.uint8)
    example = Example(image, np.array([[30, 20, 70, 60]], np.float32), np.zeros(1, np.int32))
    expected = cv2.GaussianBlur(image, (5, 5), 0)  # 40 / 8
    made = [call("blur", example, seed).image for seed in range(10)]
    everything = [blurred for blurred in made if (blurred != image)[20:60, 30:70].any()]
    assert everything
    for blurred in everything:
        np.testing.assert_array_equal(blurred, expected)


@pytest.mark.parametrize("seed", range(10))
def test_saturation_and_value_are_scaled_each_by_its_own(seed):
    """Of (200, 100, 100) the value is 200 and the saturation one half: 1 − 100 / 200."""
    pixel = Example(np.full((2, 2, 3), (200, 100, 100), np.uint8), np.zeros((0, 4), np.float32),
                    np.zeros(0, np.int32))  # fmt: skip
    drawn = [np.random.default_rng(seed) for _ in range(2)]
    paler = colour.hsv(pixel, drawn[0], hue=0, saturation=0.7, value=0).image[0, 0]
    darker = colour.hsv(pixel, drawn[1], hue=0, saturation=0, value=0.4).image[0, 0]
    assert paler.max() == 200 and paler.min() != 100
    assert darker.max() != 200
    assert darker.min() / darker.max() == pytest.approx(0.5, abs=0.01)
