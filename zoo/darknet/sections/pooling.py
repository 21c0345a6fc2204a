"""Sections that pool: [maxpool], [local_avgpool], [avgpool]."""

from __future__ import annotations

from typing import Any

import keras

from zoo.darknet.cfg import Section
from zoo.darknet.plan import Layer, Plan, Shape, name_of
from zoo.darknet.sections.weighted import strides_of
from zoo.layer.blur import Blur, blurred
from zoo.layer.channels import ChannelMaxPool
from zoo.layer.pooling import AveragePool, MaxPool, SeparableMaxPool, pooled


def maxpool(section: Section, plan: Plan) -> Layer:
    """Maximum of windows, −∞ outside the map [maxpool_layer.c:forward_maxpool_layer].

    With `maxpool_depth` the maximum is over channels; with `antialiasing` a blur takes the strides.
    """
    if section.integer("maxpool_depth", 0):
        return _over_channels(section, plan)
    shape = plan.shape(plan.last)
    size, strides, padding = _window(section)
    blur = section.integer("antialiasing", 0)
    steps = (1, 1) if blur else strides
    sides = pooled(shape[:2], size, steps, padding)
    output = blurred((*sides, shape.channels), strides, blur)

    def draw(drawn: dict[int, Any], x: Any) -> Any:
        if steps == (1, 1) and padding == size - 1:
            x = SeparableMaxPool(size, name=name_of(section))(x)
        else:
            x = MaxPool(size, strides=steps, padding=padding, name=name_of(section))(x)
        return Blur(strides, blur, name=f"{name_of(section)}_blur")(x) if blur else x

    flops = size * size * shape.channels * sides[0] * sides[1]
    return Layer(section, (plan.last,), Shape(*output), draw, flops=flops)


def _over_channels(section: Section, plan: Plan) -> Layer:
    if section.integer("antialiasing", 0):
        raise section.error("maxpool_depth with antialiasing is not supported", "antialiasing")
    shape = plan.shape(plan.last)
    channels = section.count("out_channels", 1)
    if channels > shape.channels:
        raise section.error(f"out_channels={channels} exceeds {shape.channels}", "out_channels")

    def draw(drawn: dict[int, Any], x: Any) -> Any:
        return ChannelMaxPool(channels, name=name_of(section))(x)

    size = section.count("size", section.count("stride", 1))
    flops = size * size * shape.channels * shape.height * shape.width
    return Layer(section, (plan.last,), Shape(*shape[:2], channels), draw, flops=flops)


def local_avgpool(section: Section, plan: Plan) -> Layer:
    """Mean of what a window has inside the map [maxpool_layer.c:forward_local_avgpool_layer]."""
    shape = plan.shape(plan.last)
    size, strides, padding = _window(section)
    sides = pooled(shape[:2], size, strides, padding)

    def draw(drawn: dict[int, Any], x: Any) -> Any:
        return AveragePool(size, strides=strides, padding=padding, name=name_of(section))(x)

    flops = size * size * shape.channels * sides[0] * sides[1]
    return Layer(section, (plan.last,), Shape(*sides, shape.channels), draw, flops=flops)


def _window(section: Section) -> tuple[int, tuple[int, int], int]:
    """Side, strides and total padding of a window."""
    size = section.count("size", section.count("stride", 1))
    padding = section.count("padding", size - 1, least=0)
    if padding > 2 * (size - 1):
        raise section.error(f"padding={padding} leaves windows of size={size} empty", "padding")
    return size, strides_of(section), padding


def avgpool(section: Section, plan: Plan) -> Layer:
    """Mean of each channel [avgpool_layer.c]."""
    shape = plan.shape(plan.last)

    def draw(drawn: dict[int, Any], x: Any) -> Any:
        return keras.layers.GlobalAveragePooling2D(
            keepdims=True, data_format="channels_last", name=name_of(section)
        )(x)

    return Layer(section, (plan.last,), Shape(1, 1, shape.channels), draw)
