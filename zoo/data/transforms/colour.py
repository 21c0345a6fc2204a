"""Colours: hue, saturation, brightness, noise, and none."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from zoo.data.transforms.example import Example
from zoo.ranges import BYTE, SHARE, check_number

LEVELS = np.arange(256)


def darknet_hsv(
    example: Example,
    rng: np.random.Generator,
    *,
    hue: float = 0.1,
    saturation: float = 1.5,
    exposure: float = 1.5,
    exact: bool = False,
) -> Example:
    """Turn the hue and scale saturation and value, as Darknet does [image.c:random_distort_image].

    Args:
        example: pixels and boxes.
        rng: where chance comes from.
        hue: largest turn, in rounds of the colour circle.
        saturation: largest factor; up and down are equally likely.
        exposure: the same for the value.
        exact: floats as `image.c:distort_image`, which a Darknet without OpenCV trains with;
            otherwise the same on bytes, rounded, by tables, ten times as fast. As in Darknet's
            build with OpenCV, saturation and value are cut off before the way back to RGB. The hue
            is that of the floats, which wraps; OpenCV's, 179 levels a round, is cut off at 0.
    """
    check_number("hue", hue, SHARE)
    turn = rng.uniform(-hue, hue)
    gains = _up_or_down(saturation, rng), _up_or_down(exposure, rng)
    if exact:
        return example.tone(functools.partial(_distorted_bytes, turn=turn, gains=gains))
    hues = (LEVELS + turn * 180 + 0.5) % 180
    return example.tone(functools.partial(_scaled, hues=hues.astype(np.uint8), gains=gains))


def hsv(
    example: Example,
    rng: np.random.Generator,
    *,
    hue: float = 0.015,
    saturation: float = 0.7,
    value: float = 0.4,
) -> Example:
    """Scale hue, saturation and value, each by 1 ± its share, as the PyTorch family of YOLO does.

    The defaults are those of Scaled-YOLOv4.

    Args:
        example: pixels and boxes.
        rng: where chance comes from.
        hue: share of the hue; the colour circle wraps.
        saturation: share of the saturation.
        value: share of the value.
    """
    for key, given in (("hue", hue), ("saturation", saturation), ("value", value)):
        check_number(key, given, SHARE)
    gains = 1 + rng.uniform(-1, 1, 3) * (hue, saturation, value)
    hues = (LEVELS * gains[0] + 0.5) % 180
    tone = functools.partial(_scaled, hues=hues.astype(np.uint8), gains=(gains[1], gains[2]))
    return example.tone(tone)


def grey(example: Example, rng: np.random.Generator, *, probability: float = 0.01) -> Example:
    """Take the colour away, sometimes.

    Args:
        example: pixels and boxes.
        rng: where chance comes from.
        probability: how often.
    """
    return example.tone(_grey) if rng.random() < probability else example


def noise(
    example: Example, rng: np.random.Generator, *, probability: float = 0.5, sigma: float = 10.0
) -> Example:
    """Add Gaussian noise to every pixel, sometimes [image_opencv.cpp:image_data_augmentation].

    Args:
        example: pixels and boxes.
        rng: where chance comes from.
        probability: how often.
        sigma: standard deviation, levels of 255; Darknet's `gaussian_noise`.
    """
    check_number("sigma", sigma, BYTE)
    if rng.random() >= probability:
        return example
    example = example.clipped()
    grains = rng.standard_normal(example.image.shape, np.float32) * np.float32(sigma)
    return example.paint(np.clip(example.image + grains + 0.5, 0, 255).astype(np.uint8))


def distort(pixels: np.ndarray, *, turn: float, gains: tuple[float, float]) -> np.ndarray:
    """Darknet's change of colours on floats: the hue wraps, the rest saturates at the end.

    `image.c:distort_image`, with `rgb_to_hsv` and `hsv_to_rgb`.

    Args:
        pixels: float32 (h, w, 3) RGB in [0, 1].
        turn: added to the hue, in rounds.
        gains: factors of saturation and value.

    Returns:
        float32 (h, w, 3) in [0, 1].
    """
    high, low = pixels.max(-1), pixels.min(-1)
    delta = high - low
    safe = np.where(delta > 0, delta, 1)
    red, green, blue = np.moveaxis(pixels, -1, 0)
    sector = np.where(
        red == high, (green - blue) / safe,
        np.where(green == high, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )  # fmt: skip
    hue = sector + np.float32(6 * turn)  # in sixths of a round; grey pixels have none to show
    saturation = delta / np.where(high > 0, high, 1) * np.float32(gains[0])
    value = high * np.float32(gains[1])
    channels = []
    for offset in (5, 3, 1):
        away = (offset + hue) % 6
        share = np.clip(np.minimum(away, 4 - away), 0, 1)
        channels.append(value * (1 - saturation * share))
    return np.clip(np.stack(channels, -1), 0, 1).astype(np.float32)


def _up_or_down(largest: float, rng: np.random.Generator) -> float:
    """Darknet's utils.c:rand_scale."""
    factor = rng.uniform(1, largest)
    return factor if rng.random() < 0.5 else 1 / factor


def _distorted_bytes(image: np.ndarray, turn: float, gains: tuple[float, float]) -> np.ndarray:
    floats = distort(np.divide(image, 255, dtype=np.float32), turn=turn, gains=gains)
    return (floats * 255 + 0.5).astype(np.uint8)


def _scaled(image: np.ndarray, hues: np.ndarray, gains: tuple[float, float]) -> np.ndarray:
    """A table, uint8 (256,), for the hue (of 180), and factors of saturation and value, rounded."""
    hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
    # A table for all three channels at once takes longer: OpenCV looks up byte by byte.
    changed = (
        cv2.LUT(hue, hues),
        cv2.convertScaleAbs(saturation, alpha=gains[0]),
        cv2.convertScaleAbs(value, alpha=gains[1]),
    )
    return cv2.cvtColor(cv2.merge(changed), cv2.COLOR_HSV2RGB)


def _grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
