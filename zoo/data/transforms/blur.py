"""Out of focus."""

from __future__ import annotations

import cv2
import numpy as np

from zoo.data.transforms.example import Example
from zoo.ranges import WEIGHT, check_number

BACKGROUND_KERNEL = 17


def blur(example: Example, rng: np.random.Generator, *, kernel: int = 31) -> Example:
    """Blur nothing, the background, or everything, a third of the time each.

    The background is what is in no box, blurred by 17 × 17 pixels; everything is blurred by
    `kernel`, or by an eighth of the smallest side of a box if that is less, so that no object
    vanishes [image_opencv.cpp:image_data_augmentation].

    Args:
        example: pixels and boxes.
        rng: where chance comes from.
        kernel: side of the Gaussian's kernel, pixels; Darknet's `blur`.
    """
    check_number("kernel", kernel, WEIGHT)
    kind = rng.integers(3)
    if kind == 0:
        return example
    example = example.clipped()
    image, boxes = example.image, np.rint(example.boxes_xyxy).astype(int)
    if kind == 1:
        blurred = cv2.GaussianBlur(image, (BACKGROUND_KERNEL, BACKGROUND_KERNEL), 0)
        for left, top, right, bottom in boxes:
            blurred[top:bottom, left:right] = image[top:bottom, left:right]
        return example.paint(blurred)
    if len(boxes):
        kernel = min(kernel, int((boxes[:, 2:] - boxes[:, :2]).min()) // 8)
    kernel = kernel // 2 * 2 + 1  # OpenCV wants an odd one
    return example.paint(cv2.GaussianBlur(image, (kernel, kernel), 0)) if kernel > 1 else example
