"""Top-down feature pyramids of YOLOv3 and of the tiny models."""

from __future__ import annotations

from typing import Any

import keras

from zoo.layer.convolution import conv
from zoo.layer.stack import bottlenecks, upsample


def fpn(pyramid: dict[str, Any], *, activation: str = "leaky_relu") -> dict[str, Any]:
    """Feature pyramid network of YOLOv3 [yolov3, §2.3; yolov3.cfg, layers 75–104].

    Args:
        pyramid: levels P3 to P5, each (batch, h, w, channels).
        activation: name of a registered layer.

    Returns:
        The same levels with half the channels of the backbone's.
    """
    levels = sorted(pyramid, reverse=True)
    outputs: dict[str, Any] = {}
    x = None
    for level in levels:
        features = pyramid[level]
        width = features.shape[-1] // 2
        if x is not None:
            x = upsample(x, width, activation=activation, name=level)
            features = keras.layers.Concatenate(name=f"{level}_join")([x, features])
        x = bottlenecks(features, width, activation=activation, name=level)
        outputs[level] = x
    return outputs


def tiny_fpn(
    pyramid: dict[str, Any], *, width: int = 256, activation: str = "leaky_relu"
) -> dict[str, Any]:
    """Two-level pyramid of the tiny models [yolov4-tiny.cfg, layers 27–35].

    Args:
        pyramid: at least P4 and P5.
        width: channels of P5's output; the lateral to P4 has half of them.
        activation: name of a registered layer.

    Returns:
        P5, (batch, h, w, width), and P4, the lateral joined with the backbone's P4.
    """
    top = conv(pyramid["P5"], width, 1, activation=activation, name="P5_conv")
    lateral = upsample(top, width // 2, activation=activation, name="P4")
    joined = keras.layers.Concatenate(name="P4_join")([lateral, pyramid["P4"]])
    return {"P5": top, "P4": joined}
