"""Top-down feature pyramids of YOLOv3 and of the tiny models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from zoo.errors import ZooError
from zoo.layer.convolution import conv
from zoo.layer.spp import spp as spatial_pyramid
from zoo.layer.stack import bottlenecks, upsample
from zoo.ops.levels import coarsest_first
from zoo.ranges import check_whole


def fpn(
    pyramid: dict[str, Any], *, spp: bool = False, activation: str = "leaky_relu"
) -> dict[str, Any]:
    """Feature pyramid network of YOLOv3 [yolov3, §2.3; yolov3.cfg, layers 75–104].

    Args:
        pyramid: levels P3 to P5, each (batch, h, w, channels).
        spp: spatial pyramid pooling amid the convolutions of the top level [yolov3-spp.cfg].
        activation: name of a registered layer.

    Returns:
        The same levels with half the channels of the backbone's.
    """
    levels = coarsest_first(pyramid)
    outputs: dict[str, Any] = {}
    x = None
    for level in levels:
        features = pyramid[level]
        width = features.shape[-1] // 2
        if x is not None:
            x = upsample(x, width, activation=activation, name=level)
            features = keras.layers.Concatenate(name=f"{level}_join")([x, features])
        if spp and level == levels[0]:
            features = bottlenecks(
                features, width, count=3, activation=activation, name=f"{level}_pre"
            )
            features = spatial_pyramid(features, name=f"{level}_spp")
            x = bottlenecks(features, width, count=3, activation=activation, name=f"{level}_post")
        else:
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

    Raises:
        ZooError: `width` is below 2.
    """
    check_whole("neck tiny_fpn width", width, least=2)
    top = conv(pyramid["P5"], width, 1, activation=activation, name="P5_conv")
    lateral = upsample(top, width // 2, activation=activation, name="P4")
    joined = keras.layers.Concatenate(name="P4_join")([lateral, pyramid["P4"]])
    return {"P5": top, "P4": joined}


def tiny_fpn_3l(
    pyramid: dict[str, Any],
    *,
    width: int = 256,
    laterals: Sequence[int] = (128, 64),
    activation: str = "leaky_relu",
) -> dict[str, Any]:
    """Three-level pyramid of the tiny models [yolov4-tiny-3l.cfg, layers 27–42].

    P3 is drawn from P4 after its 3×3 convolution, so these convolutions stand here and not in the
    head, which is then a 1×1 convolution (`widths: 0`).

    Args:
        pyramid: P3, P4 and P5.
        width: channels of P4's output; P5's has twice, P3's half as many.
        laterals: channels of the laterals to P4 and to P3.
        activation: name of a registered layer.

    Returns:
        P5, P4, P3, each (batch, h, w, channels).

    Raises:
        ZooError: `width` is below 2, or there are not two laterals, each at least 1.
    """
    check_whole("neck tiny_fpn_3l width", width, least=2)
    if len(laterals) != 2:
        raise ZooError(
            f"neck tiny_fpn_3l: laterals={list(laterals)} are {len(laterals)}; give 2, one for P4 "
            "and one for P3"
        )
    for lateral in laterals:
        check_whole("neck tiny_fpn_3l laterals", lateral, least=1)
    x = conv(pyramid["P5"], width, 1, activation=activation, name="P5_squeeze")
    outputs = {"P5": conv(x, 2 * width, 3, activation=activation, name="P5_conv")}
    for level, lateral, filters in zip(("P4", "P3"), laterals, (width, width // 2), strict=True):
        x = upsample(x, lateral, activation=activation, name=level)
        x = keras.layers.Concatenate(name=f"{level}_join")([x, pyramid[level]])
        x = conv(x, filters, 3, activation=activation, name=f"{level}_conv")
        outputs[level] = x
    return outputs
