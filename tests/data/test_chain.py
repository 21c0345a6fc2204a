"""Transforms in turn: configs, partners, limits."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from zoo.data.transforms.chain import Chain
from zoo.data.transforms.example import Example
from zoo.errors import ZooError
from zoo.registry import TRANSFORMS


def image_of(value, boxes=1):
    return Example(
        np.full((8, 8, 3), value, np.uint8),
        np.tile(np.array([[1, 1, 5, 5]], np.float32), (boxes, 1)),
        np.zeros(boxes, np.int32),
    )


def run(chain, example, draw=lambda: image_of(1), **keys):
    rng = np.random.default_rng(0)
    return chain(example, rng, draw=draw, size=(32, 32), mode="stretch", **keys)


def test_configs_are_checked_before_anything_runs():
    with pytest.raises(ZooError, match="transform 'flip' takes no 'probabilty'; did you mean prob"):
        Chain([{"name": "flip", "probabilty": 1.0}])
    with pytest.raises(ZooError, match="no transform 'flipp'; did you mean flip"):
        Chain([{"name": "flipp"}])
    for cfg in ({}, "flip", 5):
        with pytest.raises(ZooError, match="needs a `name`"):
            Chain([cfg])
    with pytest.raises(ZooError, match=r"augment.transforms=None: a list of transforms, \[\]"):
        Chain(None)


@pytest.mark.parametrize(
    ("name", "keywords"),
    [
        pytest.param("copy_paste", {"objects": -1}, id="fewer than no objects"),
        pytest.param("cutout", {"holes": 0}, id="no holes"),
        pytest.param("cutout", {"largest": 1.5}, id="holes wider than the image"),
        pytest.param("cutout", {"holes": 0, "probability": 0.001}, id="seldom"),
        pytest.param("darknet_crop", {"jitter": -0.3}, id="negative crop"),
        pytest.param("darknet_crop", {"resize": 0}, id="zoom by nothing"),
        pytest.param("darknet_crop", {"resize": -1.5}, id="negative zoom"),
        pytest.param("darknet_hsv", {"saturation": 0}, id="division by a factor of 0"),
        pytest.param("darknet_place", {"jitter": 1}, id="no height left"),
        pytest.param("flip", {"probability": 7}, id="more than always"),
        pytest.param("flip", {"vertical": 7}, id="upside down more than always"),
        pytest.param("flip", {"vertical": -1}, id="less than never"),
        pytest.param("cutout", {"max_cover": -1}, id="less than nothing covered"),
        pytest.param("blur", {"kernel": -5}, id="negative kernel"),
        pytest.param("noise", {"sigma": -3}, id="negative deviation"),
        pytest.param("hsv", {"hue": float("nan")}, id="hue that is no number"),
        pytest.param("mixup", {"alpha": 0}, id="no Beta distribution"),
        pytest.param("mosaic", {"canvas": 0}, id="no canvas"),
        pytest.param("mosaic", {"cut": 0.7}, id="no place for the point"),
        pytest.param("perspective", {"degrees": -10}, id="negative angle"),
        pytest.param("perspective", {"scale": 2}, id="negative factors"),
    ],
)
def test_values_that_do_not_work_are_found_before_anything_runs(name, keywords):
    first, value = next(iter(keywords.items()))
    with pytest.raises(ZooError, match=f"{name!r} does not work with {first}={value}"):
        Chain([{"name": "flip"}, {"name": name, **keywords}])


def test_a_word_for_a_number_is_refused():
    with pytest.raises(ZooError, match=r"transform 'flip': probability='often' must be a number"):
        Chain([{"name": "flip", "probability": "often"}])


@pytest.mark.parametrize("key", ["draw", "size"])
def test_what_the_chain_gives_cannot_be_configured(key):
    with pytest.raises(ZooError, match=f"'{key}' is set by zoo"):
        Chain([{"name": "mosaic", key: 1}])


def test_keywords_reach_the_transform_and_order_counts():
    flipped = run(Chain([{"name": "flip", "probability": 1.0}]), image_of(9))
    np.testing.assert_array_equal(flipped.boxes_xyxy, [[3, 1, 7, 5]])
    twice = run(Chain([{"name": "flip", "probability": 1.0}] * 2), image_of(9))
    np.testing.assert_array_equal(twice.boxes_xyxy, [[1, 1, 5, 5]])


def add_one(example, rng):
    return replace(example, pixels=example.pixels + np.uint8(1))


def other_pixels(example, rng, *, draw):
    return replace(example, pixels=draw().pixels)


def test_a_partner_has_gone_through_the_transforms_before():
    with (
        TRANSFORMS.temporarily("add_one", add_one),
        TRANSFORMS.temporarily("other", other_pixels),
    ):
        chain = Chain([{"name": name} for name in ("add_one", "other", "add_one", "other")])
        # The last partner: 40, plus one, replaced by a partner of its own (40 + 1), plus one.
        assert run(chain, image_of(9), lambda: image_of(40)).pixels[0, 0, 0] == 42
        # Without mixing only the ones are added.
        assert run(chain, image_of(9), mixing=False).pixels[0, 0, 0] == 11


def test_a_mix_with_too_many_boxes_is_left_out_and_said_once(caplog):
    chain = Chain([{"name": "mixup", "probability": 1.0}], max_boxes=5)
    with caplog.at_level(logging.WARNING):
        kept = [run(chain, image_of(9, 3), lambda: image_of(1, 3)) for _ in range(3)]
    assert all(len(example.classes) == 3 and example.image[0, 0, 0] == 9 for example in kept)
    (record,) = caplog.records
    assert "6 boxes, more than data.max_boxes=5" in record.getMessage()
    assert len(run(chain, image_of(9, 3), lambda: image_of(1, 2)).classes) == 5


def paints_floats(example, rng):
    return example.paint(np.clip(example.image * 1.2, 0, 255))


def paints_grey(example, rng, *, weight: float = 1.0):
    return example.paint(example.image[..., 0])


def tones_floats(example, rng):
    return example.tone(lambda pixels: pixels / np.float32(255))


def gives_nothing(example, rng):
    example.clipped()


def drops_classes(example, rng):
    return replace(example, classes=example.classes[:0])


def writes_to_boxes(example, rng):
    example.boxes_xyxy[:, 0] += 1
    return example


def fails(example, rng):
    return example.imgae


@pytest.mark.parametrize(
    ("part", "keywords", "words"),
    [
        pytest.param(paints_floats, {}, r"not work \(shows pixels float64 .*not uint", id="floats"),
        pytest.param(tones_floats, {}, r"not work \(shows pixels float32 .*, not uint8", id="tone"),
        pytest.param(paints_grey, {"weight": 2.0},
                     r"not work with weight=2.0 \(shows pixels uint8 \(224, 224\), not", id="grey"),
        pytest.param(gives_nothing, {}, r"not work \(gives a NoneType, not an Exam", id="none"),
        pytest.param(drops_classes, {},
                     r"not work \(gives boxes \(1, 4\) and classes \(0,\)", id="uneven"),
        pytest.param(writes_to_boxes, {}, r"not work \(.*read-only\)", id="writes"),
        pytest.param(fails, {}, "failed: AttributeError: .*'imgae'", id="fails"),
    ],
)  # fmt: skip
def test_a_strangers_transform_is_run_before_training(monkeypatch, part, keywords, words):
    monkeypatch.setitem(TRANSFORMS._listed, "odd", [("acme:odd", "zoo-acme")])
    monkeypatch.setitem(TRANSFORMS._registered, "odd", part)
    with pytest.raises(ZooError, match=f"^transform 'odd' of zoo-acme (does )?{words}"):
        Chain([{"name": "odd", **keywords}])
