"""Spatial pyramid pooling with a path aggregation network, the necks of YOLOv4."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from zoo.errors import ZooError
from zoo.layer.convolution import conv
from zoo.layer.spp import spp
from zoo.layer.stack import bottlenecks, upsample
from zoo.ops.levels import coarsest_first
from zoo.ranges import check_whole

#: (features, channels, whether the result leaves the neck, name) → features.
Block = Callable[[Any, int, bool, str], Any]


def spp_pan(
    pyramid: dict[str, Any], *, attention: str | None = None, activation: str = "leaky_relu"
) -> dict[str, Any]:
    """SPP on the top level, then top-down and bottom-up paths that concatenate [yolov4, §3.4].

    Args:
        pyramid: levels P3 to P5, each (batch, h, w, channels).
        attention: name of a registered layer, e.g. `"sam"`, before the last convolution of each
            level [yolov4, §3.3; yolov4-sam-mish.cfg].
        activation: name of a registered layer.

    Returns:
        The same levels with half the channels of the backbone's.
    """
    levels = coarsest_first(pyramid)
    top, width = levels[0], _half(pyramid)
    x = bottlenecks(pyramid[top], width[top], count=3, activation=activation, name=f"{top}_pre")
    x = spp(x, name=f"{top}_spp")
    x = bottlenecks(x, width[top], count=3, activation=activation, name=f"{top}_post")

    def block(x: Any, width: int, last: bool, name: str) -> Any:
        gate = attention if last else None
        return bottlenecks(x, width, attention=gate, activation=activation, name=name)

    return _paths(pyramid, x, width, block, activation)


def csp_pan(
    pyramid: dict[str, Any],
    *,
    depth: int = 2,
    spp_depth: int = 2,
    widths: Mapping[str, int] | None = None,
    activation: str = "mish",
) -> dict[str, Any]:
    """Path aggregation of cross-stage-partial blocks [scaled-yolov4, §4.1; yolov4-csp.cfg].

    Args:
        pyramid: consecutive levels, each (batch, h, w, channels).
        depth: pairs of a 1×1 and a 3×3 convolution in each block.
        spp_depth: such pairs around the pools of the top level; half of them, rounded down, before.
        widths: channels of some levels; by default half of the backbone's.
        activation: name of a registered layer.

    Returns:
        The same levels with their widths.

    Raises:
        ZooError: `widths` names a level that the pyramid does not have, or a number is too small.
    """
    if unknown := set(widths or ()) - set(pyramid):
        raise ZooError(
            f"neck csp_pan widths name {sorted(unknown)}, the backbone gives {sorted(pyramid)}"
        )
    check_whole("neck csp_pan depth", depth, least=0)
    check_whole("neck csp_pan spp_depth", spp_depth, least=0)
    for channels in (widths or {}).values():
        check_whole("neck csp_pan widths", channels, least=1)
    width = {**_half(pyramid), **(widths or {})}
    top = coarsest_first(pyramid)[0]
    x = csp_spp(pyramid[top], width[top], spp_depth, activation=activation, name=f"{top}_spp")

    def block(x: Any, width: int, last: bool, name: str) -> Any:
        return csp_block(x, width, depth, activation=activation, name=name)

    return _paths(pyramid, x, width, block, activation)


def csp_spp(x: Any, width: int, depth: int, *, activation: str, name: str) -> Any:
    """Spatial pyramid pooling in one branch, a bypass in the other [scaled-yolov4, §4.1]."""
    named: dict[str, Any] = {"expansion": 1, "activation": activation}
    bypass = conv(x, width, 1, activation=activation, name=f"{name}_bypass")
    before = depth // 2
    y = bottlenecks(x, width, count=1 + 2 * before, name=f"{name}_pre", **named)
    y = spp(y, name=name)
    y = bottlenecks(y, width, count=2 * (depth - before), name=f"{name}_post", **named)
    y = keras.layers.Concatenate(name=f"{name}_join")([y, bypass])
    return conv(y, width, 1, activation=activation, name=f"{name}_fuse")


def csp_block(x: Any, width: int, depth: int, *, activation: str, name: str) -> Any:
    """`depth` pairs of convolutions without a shortcut, and a bypass [scaled-yolov4, §4.1]."""
    x = conv(x, width, 1, activation=activation, name=f"{name}_entry")
    bypass = conv(x, width, 1, activation=activation, name=f"{name}_bypass")
    y = bottlenecks(x, width, count=2 * depth, expansion=1, activation=activation, name=name)
    y = keras.layers.Concatenate(name=f"{name}_merge")([y, bypass])
    return conv(y, width, 1, activation=activation, name=f"{name}_fuse")


def _half(pyramid: Mapping[str, Any]) -> dict[str, int]:
    return {level: features.shape[-1] // 2 for level, features in pyramid.items()}


def _paths(
    pyramid: Mapping[str, Any], x: Any, width: Mapping[str, int], block: Block, activation: str
) -> dict[str, Any]:
    """Down from the top level's `x`, then up again; every level joins its side by concatenation."""
    levels = coarsest_first(pyramid)
    descent = {levels[0]: x}
    for level in levels[1:]:
        x = upsample(x, width[level], activation=activation, name=f"{level}_down")
        side = conv(pyramid[level], width[level], 1, activation=activation, name=f"{level}_side")
        x = keras.layers.Concatenate(name=f"{level}_down_join")([side, x])
        x = block(x, width[level], level == levels[-1], f"{level}_down")
        descent[level] = x

    outputs = {levels[-1]: x}
    for level in reversed(levels[:-1]):
        x = conv(x, width[level], 3, stride=2, activation=activation, name=f"{level}_up_conv")
        x = keras.layers.Concatenate(name=f"{level}_up_join")([x, descent[level]])
        x = block(x, width[level], True, f"{level}_up")
        outputs[level] = x
    return outputs
