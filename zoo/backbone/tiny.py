"""The small backbones of YOLOv3-tiny and YOLOv4-tiny."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from zoo.backbone.stages import check_stages, check_stem
from zoo.errors import ZooError
from zoo.layer.convolution import conv


def darknet_tiny(images: Any, *, stem: int = 16, activation: str = "leaky_relu") -> dict[str, Any]:
    """Seven 3×3 convolutions with max-pools between [yolov3-tiny.cfg, layers 0–12].

    Args:
        images: float (batch, height, width, 3) in [0, 1]; sides divisible by 32.
        stem: channels of the first convolution; each doubles the one before it.
        activation: name of a registered layer.

    Returns:
        P3, P4, P5 with 8·stem, 16·stem and 64·stem channels; level n has stride 2ⁿ.

    Raises:
        ZooError: `stem` is below 1.
    """
    check_stem("darknet_tiny", stem)
    pyramid = {}
    x = images
    for stage in range(6):
        x = conv(x, stem * 2**stage, 3, activation=activation, name=f"stage{stage}_conv")
        pyramid[f"P{stage}"] = x
        # The last pool keeps the sides and pads the right and the bottom with −∞.
        stride = 2 if stage < 5 else 1
        x = keras.layers.MaxPooling2D(
            2, stride, "same", data_format="channels_last", name=f"stage{stage}_pool"
        )(x)
    pyramid["P5"] = conv(x, stem * 64, 3, activation=activation, name="stage6_conv")
    return {level: pyramid[level] for level in ("P3", "P4", "P5")}


def cspdarknet_tiny(
    images: Any,
    *,
    widths: Sequence[int] = (64, 128, 256),
    stem: int = 32,
    activation: str = "leaky_relu",
) -> dict[str, Any]:
    """Three cross-stage-partial blocks [scaled-yolov4, §3.3; yolov4-tiny.cfg, layers 0–26].

    Args:
        images: float (batch, height, width, 3) in [0, 1]; sides divisible by 32.
        widths: channels of the three blocks, even numbers.
        stem: channels of the first convolution; the second has twice as many.
        activation: name of a registered layer.

    Returns:
        P3, P4, P5 with widths[1], widths[2] and 2·widths[2] channels; level n has stride 2ⁿ.

    Raises:
        ZooError: there are not three even widths, or `stem` is below 1.
    """
    check_stages("cspdarknet_tiny", "widths", widths, number=3, least=2)
    if odd := [width for width in widths if width % 2]:
        raise ZooError(
            f"backbone cspdarknet_tiny: widths={list(widths)} must be even, as each block halves "
            f"its channels; {odd[0]} is odd"
        )
    check_stem("cspdarknet_tiny", stem)
    pyramid = {}
    x = conv(images, stem, 3, stride=2, activation=activation, name="stem1")
    x = conv(x, 2 * stem, 3, stride=2, activation=activation, name="stem2")
    for stage, width in enumerate(widths, start=2):
        name = f"stage{stage}"
        x, pyramid[f"P{stage}"] = csp_tiny_block(x, width, activation=activation, name=name)
        x = keras.layers.MaxPooling2D(2, data_format="channels_last", name=f"{name}_pool")(x)
    pyramid["P5"] = conv(x, 2 * widths[-1], 3, activation=activation, name="stage5_conv")
    return {level: pyramid[level] for level in ("P3", "P4", "P5")}


def csp_tiny_block(x: Any, width: int, *, activation: str, name: str) -> tuple[Any, Any]:
    """(block output of 2·width channels, its transition of `width` channels).

    Only the second half of the channels goes through the inner convolutions
    [yolov4-tiny.cfg: `groups=2 group_id=1`].
    """
    x = conv(x, width, 3, activation=activation, name=f"{name}_conv1")
    # Both go on, not x: with one unused OpenVINO changes the layout there and back, and LiteRT's
    # quantised file is another each time.
    first, second = ops.split(x, 2, axis=-1)
    inner = conv(second, width // 2, 3, activation=activation, name=f"{name}_conv2")
    outer = conv(inner, width // 2, 3, activation=activation, name=f"{name}_conv3")
    joined = keras.layers.Concatenate(name=f"{name}_join")([outer, inner])
    transition = conv(joined, width, 1, activation=activation, name=f"{name}_transition")
    return keras.layers.Concatenate(name=name)([first, second, transition]), transition
