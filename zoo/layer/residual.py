"""The residual block of Darknet-53 and its descendants."""

from __future__ import annotations

from typing import Any

import keras

from zoo.layer.convolution import conv


def residual(x: Any, hidden: int, *, activation: str, name: str) -> Any:
    """Add conv3×3(conv1×1(x)) to x, the squeeze to `hidden` channels first [yolov3, table 1]."""
    y = conv(x, hidden, 1, activation=activation, name=f"{name}_conv1")
    y = conv(y, x.shape[-1], 3, activation=activation, name=f"{name}_conv2")
    return keras.layers.Add(name=name)([x, y])


def residual_stage(
    x: Any, width: int, depth: int, *, hidden: int | None = None, activation: str, name: str
) -> Any:
    """Halve the sides, then `depth` residual blocks [yolov3, table 1].

    Args:
        x: (batch, h, w, channels).
        width: channels of the result.
        depth: residual blocks.
        hidden: channels inside the blocks; by default half of `width`.
        activation: name of a registered layer.
        name: prefix of the layers' names.

    Returns:
        (batch, h/2, w/2, width).
    """
    x = conv(x, width, 3, stride=2, activation=activation, name=f"{name}_downsample")
    for block in range(1, depth + 1):
        x = residual(x, hidden or width // 2, activation=activation, name=f"{name}_block{block}")
    return x
