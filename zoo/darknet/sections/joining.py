"""Sections that join layers: [route], [shortcut], [sam], [scale_channels]."""

from __future__ import annotations

from typing import Any

import keras

from zoo.darknet.cfg import Section
from zoo.darknet.plan import Array, Layer, Plan, Shape, name_of
from zoo.darknet.sections.activations import activation_layer, activation_name
from zoo.layer.channels import ChannelGroup, FitChannels
from zoo.layer.weighted_sum import NORMALIZATIONS, WeightedSum


def route(section: Section, plan: Plan) -> Layer:
    """Concatenation of channels, or of one group of the channels of each [route_layer.c]."""
    sources = plan.sources(section, "layers")
    shapes = [plan.shape(source) for source in sources]
    groups = section.count("groups", 1)
    group = section.count("group_id", 0, least=0)
    if group >= groups:
        raise section.error(f"group_id={group} is none of {groups} groups", "group_id")
    for source, shape in zip(sources, shapes, strict=True):
        _same_sides(section, "layers", shapes[0], source, shape)
        if shape.channels % groups:
            raise section.error(
                f"layer {source} has {shape.channels} channels, not {groups} equal groups", "groups"
            )
    channels = sum(shape.channels // groups for shape in shapes)

    def draw(drawn: dict[int, Any], *inputs: Any) -> Any:
        tensors = list(inputs)
        if groups > 1:
            tensors = [
                ChannelGroup(groups, group, name=f"{name_of(section)}_group{number}")(tensor)
                for number, tensor in enumerate(tensors)
            ]
        if len(tensors) == 1:
            return tensors[0]
        return keras.layers.Concatenate(name=name_of(section))(list(tensors))

    return Layer(section, tuple(sources), Shape(*shapes[0][:2], channels), draw)


def shortcut(section: Section, plan: Plan) -> Layer:
    """Sum with other layers, weighted if asked for, then activation [shortcut_layer.c].

    A layer with fewer channels than this one's input adds to the first of them, one with more adds
    its first ones [blas.c:shortcut_multilayer_cpu].
    """
    sources = [plan.last, *plan.sources(section, "from")]
    shape = plan.shape(plan.last)
    for source in sources:
        _same_sides(section, "from", shape, source, plan.shape(source))
    kind, normalization = _weights(section)
    activation_name(section, "linear")
    count = len(sources) * (shape.channels if kind == "per_channel" else 1)

    def draw(drawn: dict[int, Any], *inputs: Any) -> Any:
        name = name_of(section)
        tensors = [
            tensor
            if tensor.shape[-1] == shape.channels
            else FitChannels(shape.channels, name=f"{name}_channels{number}")(tensor)
            for number, tensor in enumerate(inputs)
        ]
        if kind == "none":
            x = keras.layers.Add(name=name)(tensors)
        else:
            drawn[section.index] = WeightedSum(
                per_channel=kind == "per_channel", normalization=normalization, name=name
            )
            x = drawn[section.index](tensors)
        return _activated(section, x)

    arrays = () if kind == "none" else (Array("weights", (count,)),)
    flops = shape.size * (len(sources) - 1)
    return Layer(section, tuple(sources), shape, draw, arrays, flops)


def _weights(section: Section) -> tuple[str, str]:
    kind = section.text("weights_type", "none")
    kind = "per_feature" if kind == "per_layer" else kind
    if kind not in ("none", "per_feature", "per_channel"):
        raise section.error(
            f"weights_type={kind} is none of none, per_feature, per_channel", "weights_type"
        )
    normalization = section.text("weights_normalization", "none")
    normalization = "relu" if normalization == "avg_relu" else normalization
    if normalization not in NORMALIZATIONS:
        raise section.error(
            f"weights_normalization={normalization} is none of {', '.join(NORMALIZATIONS)}",
            "weights_normalization",
        )
    return kind, normalization


def sam(section: Section, plan: Plan) -> Layer:
    """Product with another layer of the same shape, then activation [sam_layer.c]."""
    source = plan.source(section, "from")
    shape, other = plan.shape(plan.last), plan.shape(source)
    if shape != other:
        raise section.error(
            f"from={source} has shape {tuple(other)}, this layer's input {tuple(shape)}", "from"
        )
    activation_name(section, "linear")

    def draw(drawn: dict[int, Any], x: Any, y: Any) -> Any:
        return _activated(section, keras.layers.Multiply(name=name_of(section))([x, y]))

    return Layer(section, (plan.last, source), shape, draw)


def scale_channels(section: Section, plan: Plan) -> Layer:
    """Another layer times one factor a channel, or one a pixel with `scale_wh`.

    The factors are this layer's input, (1, 1, channels) or (height, width, 1)
    [scale_channels_layer.c:forward_scale_channels_layer].
    """
    source = plan.source(section, "from")
    shape, factors = plan.shape(source), plan.shape(plan.last)
    pixelwise = bool(section.integer("scale_wh", 0))
    needed = Shape(*shape[:2], 1) if pixelwise else Shape(1, 1, shape.channels)
    if factors != needed:
        raise section.error(
            f"from={source} has shape {tuple(shape)}: its factors must have {tuple(needed)}, "
            f"this layer's input has {tuple(factors)}",
            "from",
        )
    activation_name(section, "linear")

    def draw(drawn: dict[int, Any], x: Any, y: Any) -> Any:
        return _activated(section, keras.layers.Multiply(name=name_of(section))([y, x]))

    return Layer(section, (plan.last, source), shape, draw)


def _same_sides(section: Section, key: str, shape: Shape, source: int, other: Shape) -> None:
    if shape[:2] != other[:2]:
        raise section.error(
            f"layer {source} has sides {other.height}×{other.width}, where "
            f"{shape.height}×{shape.width} are needed",
            key,
        )


def _activated(section: Section, x: Any) -> Any:
    if activation_name(section, "linear") == "linear":
        return x
    return activation_layer(section, "linear")(x)
