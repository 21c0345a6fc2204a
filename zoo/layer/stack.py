"""Stacks of convolutions that the necks share."""

from __future__ import annotations

from typing import Any

import keras

from zoo.layer.convolution import conv
from zoo.registry import LAYERS


def bottlenecks(
    x: Any,
    width: int,
    *,
    count: int = 5,
    expansion: int = 2,
    attention: str | None = None,
    activation: str,
    name: str,
) -> Any:
    """Convolutions that squeeze and widen by turns [yolov3, §2.3].

    Args:
        x: (batch, h, w, channels).
        width: channels of the 1×1 convolutions, the first, third, ….
        count: convolutions in all.
        expansion: the 3×3 convolutions have this many times `width` channels.
        attention: name of a registered layer that stands before the last convolution.
        activation: name of a registered layer.
        name: prefix of the layers' names.
    """
    for index in range(1, count + 1):
        if attention is not None and index == count:
            x = LAYERS.build({"name": attention}, name=f"{name}_attention")(x)
        filters, size = (width, 1) if index % 2 else (expansion * width, 3)
        x = conv(x, filters, size, activation=activation, name=f"{name}_conv{index}")
    return x


def upsample(x: Any, width: int, *, activation: str, name: str) -> Any:
    """1×1 convolution to `width` channels, then twice the sides by nearest neighbour."""
    x = conv(x, width, 1, activation=activation, name=f"{name}_lateral")
    return keras.layers.UpSampling2D(
        2, data_format="channels_last", interpolation="nearest", name=f"{name}_upsample"
    )(x)
