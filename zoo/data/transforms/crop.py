"""From an image of any size to the size of the network input, at random as Darknet does, or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo.data.transforms.example import Example, scale, shift
from zoo.ranges import BELOW_ONE, POSITIVE, check_number


def darknet_crop(
    example: Example,
    rng: np.random.Generator,
    *,
    size: Sequence[int],
    mode: str,
    jitter: float = 0.3,
    resize: float = 1.0,
) -> Example:
    """Cut a random rectangle, which may reach outside, and stretch it to the network input.

    Each side moves by up to `jitter` of the image; `resize` then zooms all four alike, in by up to
    its factor or out by up to its factor. Outside is the image's mean colour
    [data.c:load_data_detection; image_opencv.cpp:image_data_augmentation].

    Args:
        example: pixels and boxes.
        rng: where chance comes from.
        size: height and width of the network input.
        mode: with `"letterbox"` the rectangle is first widened to the input's aspect ratio, as
            `letter_box=1` does.
        jitter: share of the image's sides.
        resize: `1.5` is that of yolov4-tiny.cfg and of the Scaled-YOLOv4 cfgs; yolov4.cfg has none,
            which is 1, off. Below 1 it is as its inverse.
    """
    check_number("resize", resize, POSITIVE)
    resize = max(resize, 1 / resize)
    (h, w), (height, width) = example.size, size
    left, right = rng.integers(-int(jitter * w), int(jitter * w), 2, endpoint=True)
    top, bottom = rng.integers(-int(jitter * h), int(jitter * h), 2, endpoint=True)
    # One draw moves left and top, another right and bottom.
    first, second = rng.uniform((1 - resize) / 2, (1 - 1 / resize) / 2, 2)
    left, right = left + int(first * w), right + int(second * w)
    top, bottom = top + int(first * h), bottom + int(second * h)
    if mode == "letterbox":
        across, down = _widened(h, w, height / width)
        left, right, top, bottom = left - across, right - across, top - down, bottom - down
    cut_w, cut_h = max(1, w - left - right), max(1, h - top - bottom)
    matrix = scale(width / cut_w, height / cut_h) @ shift(-left, -top)
    return example.warp(matrix, (height, width), fill=None)


def darknet_place(
    example: Example,
    rng: np.random.Generator,
    *,
    size: Sequence[int],
    jitter: float = 0.3,
) -> Example:
    """Put the whole image, its aspect ratio changed, anywhere on a grey network input.

    What the original Darknet, with which YOLOv3 was trained, does instead of `darknet_crop`
    [pjreddie's data.c:load_data_detection].

    Args:
        example: pixels and boxes.
        rng: where chance comes from.
        size: height and width of the network input.
        jitter: share of each side by which the aspect ratio changes, in [0, 1).
    """
    check_number("jitter", jitter, BELOW_ONE)
    (h, w), (height, width) = example.size, size
    across, down = rng.uniform(-jitter, jitter, 2)
    aspect = (w * (1 + across)) / (h * (1 + down))
    inner_h, inner_w = min(height, width / aspect), min(width, height * aspect)
    left, top = rng.uniform(0, width - inner_w), rng.uniform(0, height - inner_h)
    matrix = shift(left, top) @ scale(inner_w / w, inner_h / h)
    return example.warp(matrix, (height, width))


def fit(example: Example, rng: np.random.Generator, *, size: Sequence[int], mode: str) -> Example:
    """Scale the whole image so that it just fits into the network input; nothing is random.

    Before a `mosaic` on a wide canvas, or a `perspective`.

    Args:
        example: pixels and boxes.
        rng: not used.
        size: height and width of the network input.
        mode: `"letterbox"` keeps the aspect ratio, without padding; `"stretch"` does not.
    """
    (h, w), (height, width) = example.size, size
    if mode == "letterbox":
        factor = min(height / h, width / w)
        height, width = max(1, round(h * factor)), max(1, round(w * factor))
    return example.warp(scale(width / w, height / h), (height, width), fill=example.fill)


def _widened(h: int, w: int, aspect: float) -> tuple[int, int]:
    """What to add left and right, or above and below, for a height of `aspect` widths; pixels."""
    if w * aspect > h:
        return 0, int((w * aspect - h) / 2)
    return int((h / aspect - w) / 2), 0
