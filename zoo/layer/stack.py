"""Stacks of convolutions that the necks share."""

from __future__ import annotations

from typing import Any

import keras

from zoo.layer.convolution import conv


def bottlenecks(x: Any, width: int, *, count: int = 5, activation: str, name: str) -> Any:
    """`count` convolutions, 1×1 to `width` and 3×3 to 2·width channels by turns [yolov3, §2.3]."""
    for index in range(1, count + 1):
        filters, size = (width, 1) if index % 2 else (2 * width, 3)
        x = conv(x, filters, size, activation=activation, name=f"{name}_conv{index}")
    return x


def upsample(x: Any, width: int, *, activation: str, name: str) -> Any:
    """1×1 convolution to `width` channels, then twice the sides by nearest neighbour."""
    x = conv(x, width, 1, activation=activation, name=f"{name}_lateral")
    return keras.layers.UpSampling2D(2, interpolation="nearest", name=f"{name}_upsample")(x)
