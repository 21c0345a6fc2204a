"""Every transform: boxes stay on their pixels, inputs stay as they are, rules hold."""

import inspect
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import SIZE, assert_on_pixels, background, call, of_class, pixels_of, scene

from zoo.data.transforms.boxes import covered, pixels
from zoo.data.transforms.colour import noise
from zoo.data.transforms.crop import darknet_crop, darknet_place
from zoo.data.transforms.cutout import cutout
from zoo.data.transforms.example import Example, moved, scale, shift
from zoo.data.transforms.flip import flip
from zoo.data.transforms.mix import copy_paste, mixup
from zoo.data.transforms.mosaic import mosaic, mosaic9
from zoo.data.transforms.perspective import perspective
from zoo.registry import TRANSFORMS

# === What holds for every transform in the registry ===


@pytest.mark.parametrize("name", TRANSFORMS.names())
def test_inputs_are_not_written_to_and_the_seed_decides(name):
    example = scene((30, 20, 70, 50))
    once, again = (call(name, example, 3, lambda: scene((5, 5, 25, 30), kind=1)) for _ in range(2))
    np.testing.assert_array_equal(once.image, again.image)
    np.testing.assert_array_equal(once.boxes_xyxy, again.boxes_xyxy)
    assert once.image.dtype == np.uint8 and once.image.shape == (*once.size, 3)
    assert once.boxes_xyxy.dtype == np.float32 and len(once.classes) == len(once.boxes_xyxy)
    assert not example.pixels.flags.writeable  # as it was: a write would have raised


@pytest.mark.parametrize("name", TRANSFORMS.names())
@pytest.mark.parametrize("mode", ["stretch", "letterbox"])
def test_background_stays_background(name, mode):
    for seed in range(4):
        made = call(name, background(), seed, mode=mode)
        assert made.boxes_xyxy.shape == (0, 4) and made.classes.shape == (0,)
        assert made.image.dtype == np.uint8


#: Transforms after which the rectangle is still one, with keys that make them certain and strong.
MOVING = [
    ("flip", {"probability": 1.0, "vertical": 0.5}),
    ("fit", {}),
    ("darknet_crop", {"jitter": 0.3, "resize": 1.5}),
    ("darknet_place", {}),
    ("perspective", {"scale": 0.4, "min_side": 0, "min_share": 0}),
    ("mosaic", {"probability": 1.0}),
    ("mosaic", {"probability": 1.0, "canvas": 2}),
    ("mosaic9", {"probability": 1.0}),
    ("copy_paste", {"probability": 1.0}),
    ("grey", {"probability": 0.0}),
    ("hsv", {"hue": 0, "saturation": 0.3, "value": 0.3}),
    ("darknet_hsv", {"hue": 0.02}),
    ("noise", {"probability": 1.0, "sigma": 5}),
]


@pytest.mark.parametrize(("name", "keys"), MOVING, ids=lambda v: v if isinstance(v, str) else "")
@settings(max_examples=25)
@given(
    h=st.integers(40, 200), w=st.integers(40, 200), seed=st.integers(0, 2**20),
    mode=st.sampled_from(["stretch", "letterbox"]),
    corners=st.lists(st.floats(0, 1), min_size=4, max_size=4),
)  # fmt: skip
def test_boxes_stay_on_their_pixels(name, keys, h, w, seed, mode, corners):
    # At most two fifths of the image, so that its mean colour, the fill, is none of the classes.
    left, right = sorted(int(c * (w - 12)) // 2 for c in corners[:2])
    top, bottom = sorted(int(c * (h - 12)) // 2 for c in corners[2:])
    left, right, top, bottom = (v + int(corners[0] * 9) for v in (left, right, top, bottom))
    example = scene((left, top, right + 12, bottom + 12), (h, w))
    made = call(name, example, seed, draw=lambda: scene((4, 6, 30, 24), (40, 60), kind=1),
                mode=mode, **keys).clipped(min_side=0)  # fmt: skip
    if name != "copy_paste":  # may cover a part
        assert_on_pixels(made)
    if name.startswith(("flip", "copy", "mosaic")) and len(of_class(made, 1)) == 1:
        assert_on_pixels(made, kind=1)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**20), size=st.tuples(st.integers(60, 150), st.integers(60, 150)))
def test_a_turned_box_contains_its_pixels_and_touches_them(seed, size):
    """Rotation, shear and tilt: the box of a rectangle is that of its four corners."""
    box = (size[1] // 3, size[0] // 3, size[1] // 3 * 2, size[0] // 3 * 2)
    made = call("perspective", scene(box, size), seed, size=(300, 300), degrees=30, shear=10,
                tilt=0.0005, scale=0.3)  # fmt: skip
    (found,), seen = made.boxes_xyxy, pixels_of(made.image, 0)
    # The tip of a corner covers little of its pixel.
    np.testing.assert_allclose(found, seen, atol=2.5)


def test_mosaic_of_four_puts_each_box_on_its_pixels():
    others = [scene((20, 10, 60, 60), SIZE, kind=1), scene((40, 20, 100, 80), SIZE, kind=2),
              background(SIZE)]  # fmt: skip
    found = 0
    for seed in range(30):
        drawn = iter(others)
        made = mosaic(scene((30, 20, 90, 70), SIZE), np.random.default_rng(seed),
                      draw=lambda drawn=drawn: next(drawn), size=SIZE, probability=1.0)  # fmt: skip
        assert made.size == SIZE
        for kind in made.classes:
            assert_on_pixels(made, kind)
            found += 1
    assert found > 60


def test_the_parts_of_a_mosaic_next_to_the_point_are_shown():
    """Tiles of the canvas' size: upper left shows its lower right corner, and so on round."""
    tiles = []
    for value in range(4):
        ramp = np.add.outer(np.arange(SIZE[0]), np.arange(SIZE[1])) // 2
        image = np.stack([ramp, ramp, np.full(SIZE, 60 * value + 10)], -1).astype(np.uint8)
        tiles.append(Example(image, np.zeros((0, 4), np.float32), np.zeros(0, np.int32)))
    drawn = iter(tiles[1:])
    made = mosaic(tiles[0], np.random.default_rng(0), draw=lambda: next(drawn), size=SIZE,
                  probability=1.0).image  # fmt: skip
    which = made[..., 2] // 60
    y, x = int((which[:, 0] == 0).sum()), int((which[0] == 0).sum())
    assert 0.2 * SIZE[0] - 1 <= y <= 0.8 * SIZE[0] and 0.2 * SIZE[1] - 1 <= x <= 0.8 * SIZE[1]
    np.testing.assert_array_equal(made[:y, :x], tiles[0].image[SIZE[0] - y :, SIZE[1] - x :])
    np.testing.assert_array_equal(made[:y, x:], tiles[1].image[SIZE[0] - y :, : SIZE[1] - x])
    np.testing.assert_array_equal(made[y:, :x], tiles[2].image[: SIZE[0] - y, SIZE[1] - x :])
    np.testing.assert_array_equal(made[y:, x:], tiles[3].image[: SIZE[0] - y, : SIZE[1] - x])


@pytest.mark.parametrize("bound", [True, False])
def test_bound_decides_whether_boxes_reach_under_the_neighbours(bound):
    """The upper left image has a box that reaches out of it, over the point."""
    huge = Example(np.full((96, 128, 3), 255, np.uint8), np.array([[0, 0, 300, 300]], np.float32),
                   np.zeros(1, np.int32))  # fmt: skip
    made = mosaic(huge, np.random.default_rng(1), draw=lambda: background(SIZE), size=SIZE,
                  probability=1.0, bound=bound)  # fmt: skip
    seen = pixels_of(made.image * np.array([1, 0, 0], np.uint8), 0)
    assert seen[:2] == (0, 0) and seen[2:] != (128, 96)
    assert tuple(made.boxes_xyxy[0]) == ((0, 0, 128, 96) if not bound else seen)


def test_padding_next_to_the_point_is_moved_out_of_sight():
    """A tile that is half fill still shows pixels up to the point."""
    half = Example(np.full((96, 128, 3), 255, np.uint8), np.zeros((0, 4), np.float32),
                   np.zeros(0, np.int32)).warp(scale(0.5, 0.5), SIZE)  # fmt: skip
    for seed in range(5):
        made = mosaic(half, np.random.default_rng(seed), draw=lambda: background(SIZE), size=SIZE,
                      probability=1.0).image  # fmt: skip
        ys, xs = np.nonzero(made[..., 0] == 255)
        assert not made[ys.max() + 1 :].any() and not made[:, xs.max() + 1 :].any()


# === Lazy geometry ===


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**20), h=st.integers(3, 40), w=st.integers(3, 40),
    flips=st.tuples(st.booleans(), st.booleans()), x=st.integers(-9, 9), y=st.integers(-9, 9),
)  # fmt: skip
def test_whole_steps_and_mirrors_copy_pixels(seed, h, w, flips, x, y):
    image = np.random.default_rng(seed).integers(0, 256, (h, w, 3), np.uint8)
    example = Example(image, np.zeros((0, 4), np.float32), np.zeros(0, np.int32))
    expected = image
    for axis, mirrored in enumerate(flips):
        if mirrored:
            keys = {"probability": float(axis == 1), "vertical": float(axis == 0)}
            example = flip(example, np.random.default_rng(0), **keys)
            expected = np.flip(expected, axis)
    np.testing.assert_array_equal(example.image, expected)
    padded = cv2.copyMakeBorder(expected, 9, 9, 9, 9, cv2.BORDER_CONSTANT, value=(128, 128, 128))
    moved_by = example.warp(shift(x, y), (h, w)).image
    np.testing.assert_array_equal(moved_by, padded[9 - y : 9 - y + h, 9 - x : 9 - x + w])


#: Its levels say where a pixel is: red four times its column, green four times its row.
RAMP = np.stack([*np.meshgrid(np.arange(60) * 4, np.arange(50) * 4), np.full((50, 60), 255)], -1)


@settings(max_examples=200)
@given(
    scales=st.tuples(st.floats(0.2, 6), st.floats(0.2, 6)),
    shifts=st.tuples(st.floats(-80, 60), st.floats(-80, 60)),
    mirrored=st.tuples(st.booleans(), st.booleans()),
)
def test_what_is_shown_is_within_half_a_pixel_of_its_place(scales, shifts, mirrored):
    """And where it is, is the image; around it is fill."""
    ramp = Example(RAMP.astype(np.uint8), np.zeros((0, 4), np.float32), np.zeros(0, np.int32))
    matrix = shift(*shifts) @ scale(*scales)
    if mirrored[0]:
        matrix = shift(100, 0) @ scale(-1, 1) @ matrix
    if mirrored[1]:
        matrix = shift(0, 90) @ scale(1, -1) @ matrix
    image = ramp.warp(matrix, (90, 100), fill=(0, 0, 0)).image
    back = np.linalg.inv(matrix)
    for axis, length in ((0, 60), (1, 50)):
        centres = np.arange(100 - 10 * axis) + 0.5
        place = centres * back[axis, axis] + back[axis, 2]  # continuous pixels of the ramp
        seen = (image[..., 2] == 255).any(axis=axis)
        inside = (place > 1e-6) & (place < length - 1e-6)
        outside = (place < -1e-6) | (place > length + 1e-6)
        if seen.any():
            assert seen[inside].all() and not seen[outside].any()
            levels = image[..., axis].max(axis=axis)[seen & inside]
            expected = np.clip(4 * (place[seen & inside] - 0.5), 0, 4 * (length - 1))
            # Half a pixel, levels of whole numbers, and a row of pixels that has one neighbour.
            step = 4 * abs(back[axis, axis])
            assert np.abs(levels - expected).max() <= step / 2 + 2 + 1e-3


def test_a_region_is_a_part_of_the_image():
    image = cv2.resize(RAMP.astype(np.uint8), (50, 60))
    example = Example(image, np.zeros((0, 4), np.float32), np.zeros(0, np.int32))
    warped = example.warp(scale(1.7, 0.8) @ shift(-3.3, 2.1), (45, 70))
    region = warped.region(10, 5, 40, 30).astype(int)
    # Both within half a pixel: of 1 / 1.7 or 1 / 0.8 of the image's, at five levels a pixel.
    np.testing.assert_allclose(region, warped.image[5:30, 10:40], atol=7)
    assert np.abs(region - warped.image[5:30, 10:40]).mean() < 1.5


def test_a_stretch_is_that_of_opencv():
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    made = call("fit", Example(image, np.zeros((0, 4), np.float32), np.zeros(0, np.int32)))
    np.testing.assert_array_equal(made.image, cv2.resize(image, SIZE[::-1]))


def test_a_resize_shows_what_a_warp_does():
    """Next to the warp that every matrix could have, on a smooth picture."""
    rough = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    image = cv2.resize(rough, (240, 180), interpolation=cv2.INTER_CUBIC)
    example = Example(image, np.zeros((0, 4), np.float32), np.zeros(0, np.int32))
    for number in range(20):
        rng = np.random.default_rng(number)
        matrix = shift(*rng.uniform(-60, 20, 2)) @ scale(*rng.uniform(0.4, 1.2, 2))
        turned = matrix + np.array([[0, 1e-9, 0], [0, 0, 0], [0, 0, 0]])  # not straight: a warp
        made, warped = (example.warp(m, SIZE).image.astype(int) for m in (matrix, turned))
        assert np.abs(made - warped).mean() < 2


def test_moved_boxes_of_any_matrix():
    boxes = np.array([[1, 2, 3, 6]])
    np.testing.assert_allclose(moved(boxes, shift(10, 0) @ scale(-2, 1)), [[4, 2, 8, 6]])
    quarter = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    np.testing.assert_allclose(moved(boxes, quarter), [[-6, 1, -2, 3]])


# === Rules ===


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param((2, 3, 9, 8), (2, 3, 9, 8), id="inside: as it is"),
        pytest.param((-5, -5, 4, 4), (0, 0, 4, 4), id="cut to the image"),
        pytest.param((-5, 2, 0, 4), None, id="outside: dropped"),
        pytest.param((19.5, 2, 25, 4), None, id="half a pixel is left: dropped"),
        pytest.param((19, 2, 25, 4), (19, 2, 20, 4), id="a whole pixel is left: kept"),
    ],
)
def test_clipping(box, expected):
    example = Example(np.zeros((10, 20, 3), np.uint8), np.array([box], np.float32), np.zeros(1))
    clipped = example.clipped().boxes_xyxy.tolist()
    assert clipped == ([] if expected is None else [list(expected)])


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        pytest.param((10, 10, 50, 50), True, id="inside"),
        pytest.param((-80, 10, 10, 50), True, id="a ninth of it is left"),
        pytest.param((-95, 10, 5, 50), False, id="a twentieth of it is left"),
        pytest.param((10, 10, 11.5, 50), False, id="under two pixels wide"),
        pytest.param((10, 10, 100, 14), False, id="longer than twenty times its other side"),
        pytest.param((10, 10, 90, 14), True, id="exactly twenty times"),
    ],
)
def test_perspective_drops_what_is_hardly_there(box, kept):
    example = Example(np.zeros((96, 128, 3), np.uint8), np.array([box], np.float32), np.zeros(1))
    made = perspective(example, np.random.default_rng(0), size=SIZE, translate=0, scale=0)
    assert len(made.classes) == kept


def test_perspective_scales_down_as_well_as_up():
    made = (perspective(background(), np.random.default_rng(seed), size=SIZE, scale=0.5)
            for seed in range(100))  # fmt: skip
    factors = [example.matrix[0, 0] for example in made]
    assert 0.5 <= min(factors) < 0.6 and 1.4 < max(factors) <= 1.5


@pytest.mark.parametrize(
    ("by", "share"),
    [
        pytest.param((0, 0, 10, 10), 1.0, id="all"),
        pytest.param((10, 0, 20, 10), 0.0, id="beside"),
        pytest.param((5, 5, 20, 20), 0.25, id="a quarter"),
    ],
)
def test_covered(by, share):
    assert covered(np.array([[0, 0, 10, 10]], np.float32), by) == pytest.approx([share])


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param((0.5, 1.5, 3.2, 4), (0, 1, 4, 4), id="also in part"),
        pytest.param((-3, -0.5, 21, 11), (0, 0, 20, 10), id="inside the image"),
    ],
)
def test_the_pixels_that_a_box_touches(box, expected):
    assert pixels(np.array(box), (10, 20)) == expected


def test_noise_makes_nothing_darker_on_average():
    grey = Example(np.full((96, 128, 3), 128, np.uint8), np.zeros((0, 4), np.float32), np.zeros(0))
    made = noise(grey, np.random.default_rng(0), probability=1.0, sigma=10).image
    assert made.mean() == pytest.approx(128, abs=0.2) and made.std() == pytest.approx(10, abs=0.2)


def test_cutout_hides_and_drops():
    dropped = 0
    for seed in range(60):
        made = cutout(scene((40, 30, 60, 45)), np.random.default_rng(seed), probability=1.0)
        hidden = 1 - (made.image[30:45, 40:60, 0] == 255).mean()
        if not len(made.classes):
            dropped += 1
            assert hidden > 0.6
    assert dropped


def test_the_largest_hole_is_a_share_of_each_side():
    # At most 0.3 · 10 = 3 rows and 0.3 · 1000 = 300 columns.
    long = Example(np.zeros((10, 1000, 3), np.uint8), np.zeros((0, 4), np.float32), np.zeros(0))
    widest = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        hole = cutout(long, rng, probability=1.0, holes=1, largest=0.3).image[..., 0] > 0
        assert hole.any(axis=1).sum() <= 3 and hole.any(axis=0).sum() <= 300
        widest = max(widest, hole.any(axis=0).sum())
    assert widest > 100


def test_crop_fills_with_the_mean_colour_and_letterbox_keeps_the_aspect_ratio():
    example = Example(np.full((50, 100, 3), (10, 200, 90), np.uint8),
                      np.array([[0, 0, 100, 50]], np.float32), np.zeros(1, np.int32))  # fmt: skip
    rng = np.random.default_rng(0)
    made = darknet_crop(example, rng, size=(64, 64), mode="letterbox", jitter=0)
    assert (np.abs(made.image.astype(int) - (10, 200, 90)) <= 1).all()
    np.testing.assert_allclose(made.boxes_xyxy, [[0, 16, 64, 48]], atol=1e-4)
    turned = replace(example, pixels=example.pixels.transpose(1, 0, 2).copy(),
                     boxes_xyxy=example.boxes_xyxy[:, [1, 0, 3, 2]])  # fmt: skip
    upright = darknet_crop(turned, rng, size=(64, 64), mode="letterbox", jitter=0)
    np.testing.assert_allclose(upright.boxes_xyxy, [[16, 0, 48, 64]], atol=1e-4)
    stretched = darknet_crop(example, rng, size=(64, 64), mode="stretch", jitter=0)
    np.testing.assert_allclose(stretched.boxes_xyxy, [[0, 0, 64, 64]], atol=1e-4)


def test_crop_stays_within_jitter_and_resize():
    """Jitter 0.2 and zoom 1.5: a side ends at −0.2 − 0.25 to 0.2 + 1/6 of the image."""
    example = Example(np.zeros((100, 100, 3), np.uint8), np.array([[0, 0, 100, 100]], np.float32),
                      np.zeros(1, np.int32))  # fmt: skip
    low, high = [], []
    for seed in range(400):
        made = darknet_crop(example, np.random.default_rng(seed), size=SIZE, mode="stretch",
                            jitter=0.2, resize=1.5)  # fmt: skip
        inverse = np.linalg.inv(made.matrix)
        left, top = inverse[:2, 2]
        low.append(min(left, top))
        high.append(max(left, top))
    assert -45 <= min(low) < -38 and 30 < max(high) <= 37


def test_crop_zooms_below_one_as_above():
    """0.5 by a half of the image outwards, or by a quarter inwards, as 2 [data.c]."""
    example = Example(np.zeros((100, 100, 3), np.uint8), np.zeros((0, 4), np.float32), np.zeros(0))
    left = {}
    for resize in (0.5, 2.0):
        made = (darknet_crop(example, np.random.default_rng(seed), size=SIZE, mode="stretch",
                             jitter=0, resize=resize) for seed in range(200))  # fmt: skip
        left[resize] = [np.linalg.inv(crop.matrix)[0, 2] for crop in made]
    assert left[0.5] == left[2.0]
    assert -50 <= min(left[0.5]) < -48 and 23 < max(left[0.5]) <= 25


def test_jitter_is_a_share_of_each_side():
    """A fifth of 50 rows and of 200 columns."""
    flat = Example(np.zeros((50, 200, 3), np.uint8), np.zeros((0, 4), np.float32), np.zeros(0))
    made = (darknet_crop(flat, np.random.default_rng(seed), size=SIZE, mode="stretch", jitter=0.2)
            for seed in range(100))  # fmt: skip
    left, top = np.abs([np.linalg.inv(crop.matrix)[:2, 2] for crop in made]).max(axis=0)
    assert 8 < top < 10.01 and 36 < left < 40.01


def test_place_shows_the_whole_image():
    for seed in range(50):
        made = darknet_place(scene((10, 10, 40, 40)), np.random.default_rng(seed), size=SIZE)
        left, top, right, bottom = made.bounds
        assert left >= -1e-6 and top >= -1e-6 and right <= 128 + 1e-6 and bottom <= 96 + 1e-6
        assert right - left > 127 or bottom - top > 95  # it fits one way


def test_mixup_averages_and_keeps_both():
    other = scene((5, 5, 20, 20), (40, 60), kind=1)
    made = mixup(scene((30, 20, 70, 50)), np.random.default_rng(0), draw=lambda: other,
                 probability=1.0)  # fmt: skip
    np.testing.assert_allclose(made.boxes_xyxy, [[30, 20, 70, 50], [10, 10, 40, 40]])
    assert made.classes.tolist() == [0, 1]
    assert made.image[45, 60].tolist() == [128, 0, 0] and made.image[15, 20].tolist() == [0, 128, 0]
    blends = (mixup(scene((0, 0, 9, 9)), np.random.default_rng(seed), draw=lambda: other,
                    probability=1.0, alpha=8.0) for seed in range(20))  # fmt: skip
    weights = {int(blend.image[0, 0, 0]) for blend in blends}
    assert len(weights) > 5


def test_mixup_stretches_each_side_of_the_other_on_its_own():
    flat = scene((5, 5, 20, 20), (40, 120), kind=1)  # half as high as 80×120, and as wide
    made = mixup(background(), np.random.default_rng(0), draw=lambda: flat, probability=1.0)
    np.testing.assert_allclose(made.boxes_xyxy, [[5, 10, 20, 40]])


@pytest.mark.parametrize(
    "paint",
    [
        pytest.param(lambda example, rng: mixup(example, rng, draw=lambda: example,
                                                probability=1.0), id="mixup"),
        pytest.param(lambda example, rng: noise(example, rng, probability=1.0), id="noise"),
    ],
)  # fmt: skip
def test_what_is_outside_of_painted_pixels_does_not_come_back(paint):
    # After a move by 50: a box cut to its right half, and one that is gone.
    moved_out = replace(
        scene((30, 20, 70, 50)),
        boxes_xyxy=np.array([[30, 20, 70, 50], [5, 20, 45, 50]], np.float32),
        classes=np.zeros(2, np.int32),
    ).warp(shift(-50, 0), SIZE)
    back = paint(moved_out, np.random.default_rng(0)).warp(shift(50, 0), SIZE)
    assert {tuple(box) for box in back.boxes_xyxy.tolist()} == {(50, 20, 70, 50)}


def test_copy_paste_does_not_cover_much():
    for seed in range(20):
        made = copy_paste(scene((30, 20, 70, 50)), np.random.default_rng(seed), probability=1.0,
                          draw=lambda: scene((5, 5, 35, 25), kind=1))  # fmt: skip
        for box in of_class(made, 1):
            assert (covered(of_class(made, 0), box) <= 0.3).all()
            left, top, right, bottom = box.astype(int)
            assert (made.image[top:bottom, left:right] == (0, 255, 0)).all()


@pytest.mark.parametrize(
    "side", [pytest.param((200, 30), id="wide"), pytest.param((30, 200), id="high")]
)
def test_an_object_that_fits_one_way_only_is_not_pasted(side):
    first, large = scene((30, 20, 70, 50)), scene((0, 0, *side), (200, 200), kind=1)
    made = copy_paste(first, np.random.default_rng(0), probability=1.0, draw=lambda: large)
    np.testing.assert_array_equal(made.image, first.image)
    assert made.classes.tolist() == [0]


def test_an_object_as_wide_as_the_image_is_pasted_anywhere_from_top_to_bottom():
    wide, tops = scene((0, 20, 128, 90), SIZE, kind=1), set()  # 26 rows of 96 are free
    for seed in range(200):
        made = copy_paste(background(SIZE), np.random.default_rng(seed), probability=1.0,
                          draw=lambda: wide)  # fmt: skip
        ((left, top, right, bottom),) = made.boxes_xyxy.tolist()
        assert (left, right, bottom - top) == (0, 128, 70)
        tops.add(top)
    assert tops == set(range(27))


def test_pasted_objects_do_not_cover_each_other_much():
    rows = np.array([[0, 0, 30, 30], [30, 0, 60, 30], [0, 30, 30, 60]], np.float32)
    three = Example(np.zeros((60, 60, 3), np.uint8), rows, np.zeros(3, np.int32))
    pasted = []
    for seed in range(50):
        made = copy_paste(background((60, 60)), np.random.default_rng(seed), probability=1.0,
                          draw=lambda: three).boxes_xyxy  # fmt: skip
        pasted.append(len(made))
        for last in range(1, len(made)):
            assert (covered(made[:last], made[last]) <= 0.3).all()
    assert min(pasted) == 1 and max(pasted) > 1


def test_nine_images_cover_the_canvas():
    drawn = (Example(np.full((96, 128, 3), 25 * n + 30, np.uint8), np.zeros((0, 4), np.float32),
                     np.zeros(0, np.int32)) for n in range(1, 9))  # fmt: skip
    first = Example(np.full((96, 128, 3), 30, np.uint8), np.zeros((0, 4), np.float32), np.zeros(0))
    made = mosaic9(first, np.random.default_rng(0), draw=lambda: next(drawn), size=SIZE,
                   probability=1.0).image  # fmt: skip
    assert made.shape == (192, 256, 3)
    assert set(np.unique(made)) - {128} == {30 + 25 * n for n in range(9)}


def test_the_middle_one_of_nine_begins_and_ends_at_shares_of_each_side():
    large = Example(np.zeros((300, 300, 3), np.uint8), np.zeros((0, 4), np.float32), np.zeros(0))
    for seed in range(20):
        canvas = mosaic9(large, np.random.default_rng(seed), draw=lambda: large, size=(64, 128),
                         probability=1.0).pixels  # fmt: skip
        assert canvas.shape == (128, 256, 3)
        begin, end = np.reshape(canvas.tiles[4][2], (2, 2)) / (256, 128)
        assert (begin > 0.19).all() and (begin <= 0.4).all()
        assert (end > 0.59).all() and (end <= 0.8).all()


@pytest.mark.parametrize("name", ["flip", "grey", "mixup", "mosaic", "cutout", "noise"])
def test_probability(name):
    example, rng = scene((30, 20, 70, 50)), np.random.default_rng(0)
    part = TRANSFORMS[name]
    wanted = inspect.signature(part).parameters
    context = {key: value for key, value in (("draw", background), ("size", SIZE)) if key in wanted}
    changed = sum(part(example, rng, probability=0.3, **context) is not example for _ in range(600))
    assert abs(changed / 600 - 0.3) < 0.08  # four standard deviations


def test_a_turned_mosaic_is_computed_up_to_the_edge_of_what_shows():
    white = Example(np.full((*SIZE, 3), 255, np.uint8), np.zeros((0, 4), np.float32), np.zeros(0))
    made = mosaic(white, np.random.default_rng(0), draw=lambda: white, size=SIZE, probability=1.0)
    turn = np.array([[1, 1e-4, 0], [-1e-4, 1, 0], [0, 0, 1]])
    assert made.warp(shift(-20.3, -15.6) @ turn, (60, 70)).image.min() == 255
    beyond = made.warp(shift(500, 0) @ turn, (60, 70)).image  # none of it shows
    assert (beyond == 128).all()


@pytest.mark.parametrize("bound", [True, False])
@pytest.mark.parametrize("name", ["mosaic", "mosaic9"])
def test_boxes_of_a_mosaic_are_those_of_its_tiles_one_by_one(name, bound):
    for seed in range(10):
        part = call(name, scene((30, 20, 70, 50)), seed, lambda: scene((0, 2, 90, 60), kind=1),
                    probability=1.0, bound=bound)  # fmt: skip
        height, width, _ = part.pixels.shape
        expected = []
        for tile, (x, y), (left, top, right, bottom) in part.pixels.tiles:
            for x0, y0, x1, y1 in tile.boxes_xyxy + np.array([x, y, x, y], np.float32):
                seen = max(x0, left), max(y0, top), min(x1, right), min(y1, bottom)
                if seen[2] - seen[0] > 1 and seen[3] - seen[1] > 1:
                    whole = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
                    expected.append(seen if bound else whole)
        np.testing.assert_array_equal(part.boxes_xyxy, np.array(expected, np.float32))


@settings(max_examples=100)
@given(
    scales=st.lists(st.floats(0.1, 4) | st.floats(-4, -0.1), min_size=2, max_size=2),
    shifts=st.lists(st.floats(-50, 50), min_size=2, max_size=2),
)
def test_moved_boxes_are_around_all_moved_corners(scales, shifts):
    matrix = shift(*shifts) @ scale(*scales)
    box = np.array([[3, 5, 40, 9]], np.float32)
    corners = np.array([[x, y, 1] for x in (3, 40) for y in (5, 9)]) @ matrix.T
    expected = [*corners[:, :2].min(0), *corners[:, :2].max(0)]
    np.testing.assert_allclose(moved(box, matrix)[0], expected, rtol=1e-12, atol=1e-12)


def test_darknet_place_changes_the_aspect_ratio_by_both_sides():
    """By 0.7 / 1.3 to 1.3 / 0.7."""
    square = Example(np.zeros((100, 100, 3), np.uint8), np.zeros((0, 4), np.float32), np.zeros(0))
    made = (darknet_place(square, np.random.default_rng(seed), size=SIZE, jitter=0.3)
            for seed in range(100))  # fmt: skip
    aspects = [place.matrix[0, 0] / place.matrix[1, 1] for place in made]
    assert 0.53 < min(aspects) < 0.65 and 1.5 < max(aspects) < 1.86


def test_darknet_place_keeps_the_aspect_ratio_without_jitter():
    """50 wide, 100 high in 64×64: 32 wide, 64 high."""
    whole = Example(np.zeros((100, 50, 3), np.uint8), np.array([[0, 0, 50, 100]], np.float32),
                    np.zeros(1, np.int32))  # fmt: skip
    made = darknet_place(whole, np.random.default_rng(0), size=(64, 64), jitter=0)
    (box,) = made.boxes_xyxy
    np.testing.assert_allclose(box[2:] - box[:2], [32, 64], rtol=1e-6)
