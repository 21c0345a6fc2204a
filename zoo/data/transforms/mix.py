"""Two images in one."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from zoo.data.transforms.boxes import covered, pixels
from zoo.data.transforms.example import Example, scale
from zoo.ranges import check_whole


def mixup(
    example: Example,
    rng: np.random.Generator,
    *,
    draw: Callable[[], Example],
    probability: float = 0.5,
    alpha: float | None = None,
) -> Example:
    """Blend with another image; the boxes of both count [mixup, eq. 1].

    The other is stretched to the size of this one.

    Args:
        example: pixels and boxes.
        rng: where chance comes from.
        draw: gives the other.
        probability: how often.
        alpha: the share is drawn from Beta(α, α); by default it is one half, as Darknet's
            `mixup=1`.
    """
    if rng.random() >= probability:
        return example
    height, width = example.size
    other = draw()
    if other.size != example.size:
        h, w = other.size
        other = other.warp(scale(width / w, height / h), (height, width), fill=other.fill)
    # No later transform can bring back what is outside of the blended pixels.
    example, other = example.clipped(), other.clipped()
    share = 0.5 if alpha is None else float(rng.beta(alpha, alpha))
    return Example(
        cv2.addWeighted(example.image, share, other.image, 1 - share, 0),
        np.concatenate([example.boxes_xyxy, other.boxes_xyxy]),
        np.concatenate([example.classes, other.classes]),
    )


def copy_paste(
    example: Example,
    rng: np.random.Generator,
    *,
    draw: Callable[[], Example],
    probability: float = 0.5,
    objects: int = 3,
    max_cover: float = 0.3,
) -> Example:
    """Paste the rectangles of objects of another image at random places.

    With boxes alone an object comes with the background in its box [copy-paste, §3, has masks].
    One that does not fit into the image, or would cover too much of another, is not pasted.

    Args:
        example: pixels and boxes.
        rng: where chance comes from.
        draw: gives the other image.
        probability: how often.
        objects: how many at most.
        max_cover: largest share of any box that a pasted one may cover.
    """
    check_whole("objects", objects, least=0)  # of less a slice would count from the end
    if rng.random() >= probability:
        return example
    example, other = example.clipped(), draw().clipped()
    image, boxes, classes = example.image.copy(), example.boxes_xyxy, example.classes
    height, width = example.size
    for row in rng.permutation(len(other.classes))[:objects]:
        left, top, right, bottom = pixels(other.boxes_xyxy[row], other.size)
        free_x, free_y = width - (right - left), height - (bottom - top)
        if free_x < 0 or free_y < 0:
            continue
        x, y = rng.integers(0, [free_x, free_y], endpoint=True)
        moved = other.boxes_xyxy[row] + np.array([x - left, y - top] * 2, np.float32)
        place = np.array([x, y, x + right - left, y + bottom - top], np.float32)
        if (covered(boxes, place) > max_cover).any():
            continue
        image[y : y + bottom - top, x : x + right - left] = other.region(left, top, right, bottom)
        boxes = np.concatenate([boxes, moved[None]]).astype(np.float32)
        classes = np.concatenate([classes, other.classes[row : row + 1]])
    return Example(image, boxes, classes)
