"""Spatial pyramid pooling with a path aggregation network, the neck of YOLOv4."""

from __future__ import annotations

from typing import Any

import keras

from zoo.layer.convolution import conv
from zoo.layer.spp import spp
from zoo.layer.stack import bottlenecks, upsample


def spp_pan(pyramid: dict[str, Any], *, activation: str = "leaky_relu") -> dict[str, Any]:
    """SPP on the top level, then top-down and bottom-up paths that concatenate [yolov4, §3.4].

    Args:
        pyramid: levels P3 to P5, each (batch, h, w, channels).
        activation: name of a registered layer.

    Returns:
        The same levels with half the channels of the backbone's.
    """
    levels = sorted(pyramid, reverse=True)
    width = {level: pyramid[level].shape[-1] // 2 for level in levels}
    x = pyramid[levels[0]]
    x = bottlenecks(x, width[levels[0]], count=3, activation=activation, name=f"{levels[0]}_pre")
    x = spp(x, name=f"{levels[0]}_spp")
    x = bottlenecks(x, width[levels[0]], count=3, activation=activation, name=f"{levels[0]}_post")

    descent = {levels[0]: x}
    for level in levels[1:]:
        x = upsample(x, width[level], activation=activation, name=f"{level}_down")
        side = conv(pyramid[level], width[level], 1, activation=activation, name=f"{level}_side")
        x = keras.layers.Concatenate(name=f"{level}_down_join")([side, x])
        x = bottlenecks(x, width[level], activation=activation, name=f"{level}_down")
        descent[level] = x

    outputs = {levels[-1]: x}
    for level in reversed(levels[:-1]):
        x = conv(x, width[level], 3, stride=2, activation=activation, name=f"{level}_up_conv")
        x = keras.layers.Concatenate(name=f"{level}_up_join")([x, descent[level]])
        x = bottlenecks(x, width[level], activation=activation, name=f"{level}_up")
        outputs[level] = x
    return outputs
