"""One random camera movement."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from zoo.data.transforms.example import GREY, Example, shift
from zoo.ranges import SHARE, check_number


def perspective(
    example: Example,
    rng: np.random.Generator,
    *,
    size: Sequence[int],
    degrees: float = 0.0,
    translate: float = 0.1,
    scale: float = 0.5,
    shear: float = 0.0,
    tilt: float = 0.0,
    min_side: float = 2.0,
    min_share: float = 0.1,
    max_aspect: float = 20.0,
) -> Example:
    """Rotate, scale, shear, tilt and move an image about its middle, in one matrix.

    The middle of the image, whatever its size (that of a mosaic's canvas, say), comes to lie near
    the middle of the network input; around it is grey. A box becomes the box around its moved
    corners, cut to the image. It is dropped where it is under `min_side` pixels wide or high, where
    less than `min_share` of its area is left, or where it is longer than `max_aspect` times its
    other side.

    Args:
        example: pixels and boxes.
        rng: where chance comes from.
        size: height and width of the network input.
        degrees: largest rotation, either way.
        translate: largest movement, in sides of the network input.
        scale: the factor is 1 ± this, in [0, 1].
        shear: largest angle, degrees, along each axis.
        tilt: largest change of 1/depth for a pixel, e.g. 0.0005.
        min_side: see above.
        min_share: see above.
        max_aspect: see above.
    """
    check_number("scale", scale, SHARE)
    height, width = size
    angle = math.radians(rng.uniform(-degrees, degrees))
    factor = rng.uniform(1 - scale, 1 + scale)
    shear_x, shear_y = np.tan(np.radians(rng.uniform(-shear, shear, 2)))
    tilts = rng.uniform(-tilt, tilt, 2)
    middle = rng.uniform(0.5 - translate, 0.5 + translate, 2) * (width, height)

    cos, sin = factor * math.cos(angle), factor * math.sin(angle)
    rotated = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    sheared = np.array([[1, shear_x, 0], [shear_y, 1, 0], [0, 0, 1]])
    tilted = np.array([[1, 0, 0], [0, 1, 0], [*tilts, 1]])
    centred = shift(-example.size[1] / 2, -example.size[0] / 2)
    matrix = shift(*middle) @ sheared @ rotated @ tilted @ centred
    whole = example.warp(matrix, (height, width), fill=GREY)
    seen = whole.clipped(min_side=0)
    sides = seen.boxes_xyxy[:, 2:] - seen.boxes_xyxy[:, :2]
    full = whole.boxes_xyxy[:, 2:] - whole.boxes_xyxy[:, :2]
    share = sides.prod(axis=1) / np.maximum(full.prod(axis=1), 1e-9)
    aspect = sides.max(axis=1, initial=0) / np.maximum(sides.min(axis=1, initial=np.inf), 1e-9)
    return seen.keep(
        (sides >= min_side).all(axis=1) & (share >= min_share) & (aspect <= max_aspect)
    )
