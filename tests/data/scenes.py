"""Rectangles on black, to follow through transforms."""

import inspect

import numpy as np

from zoo.data.transforms.example import Example
from zoo.registry import TRANSFORMS

SIZE = (96, 128)


def scene(box, size=(80, 120), kind=0):
    """Black, with one rectangle in the pure colour of its class; nothing may be written to."""
    image = np.zeros((*size, 3), np.uint8)
    left, top, right, bottom = box
    image[top:bottom, left:right, kind] = 255
    boxes, classes = np.array([box], np.float32), np.array([kind], np.int32)
    for array in (image, boxes, classes):
        array.flags.writeable = False
    return Example(image, boxes, classes)


def background(size=(80, 120)):
    return Example(np.zeros((*size, 3), np.uint8), np.zeros((0, 4), np.float32), np.zeros(0, int))


def of_class(example, kind):
    return example.boxes_xyxy[example.classes == kind]


def pixels_of(image, kind):
    """Box around the pixels of a class, or None."""
    others = image[..., [c for c in range(3) if c != kind]].max(-1)
    ys, xs = np.nonzero((image[..., kind].astype(int) - others) > 127)
    return (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) if len(xs) else None


def assert_on_pixels(example, kind=0, tolerance=1.0):
    """The one box of a class bounds the pixels of its colour: to a pixel, or IoU ≥ 0.9."""
    boxes, seen = of_class(example, kind), pixels_of(example.image, kind)
    if not len(boxes) or seen is None:  # dropped, or too thin to be seen
        assert seen is None or min(seen[2] - seen[0], seen[3] - seen[1]) <= 3
        return
    (box,) = boxes
    low, high = np.maximum(box[:2], seen[:2]), np.minimum(box[2:], seen[2:])
    overlap = np.maximum(high - low, 0).prod()
    areas = (box[2:] - box[:2]).prod() + (seen[2] - seen[0]) * (seen[3] - seen[1])
    close = np.abs(box - seen).max() <= tolerance
    assert close or overlap / (areas - overlap) >= 0.9, (box, seen)


def call(name, example, seed=0, draw=background, size=SIZE, mode="stretch", **keys):
    part = TRANSFORMS[name]
    context = {"draw": draw, "size": size, "mode": mode}
    wanted = inspect.signature(part).parameters
    given = {key: value for key, value in context.items() if key in wanted}
    return part(example, np.random.default_rng(seed), **given, **keys)
