"""Sections of one input and no weights: [upsample], [reorg], [reorg3d], [dropout], [activation]."""

from __future__ import annotations

from typing import Any

import keras

from zoo.darknet.cfg import Section
from zoo.darknet.plan import Layer, Plan, Shape, name_of
from zoo.darknet.sections.activations import activation_layer, activation_name
from zoo.layer.pooling import SumPool
from zoo.layer.reorg import Reorg, ReorgOld


def upsample(section: Section, plan: Plan) -> Layer:
    """Nearest neighbours times `scale`; a negative stride sums instead [upsample_layer.c]."""
    shape = plan.shape(plan.last)
    stride, scale = section.integer("stride", 2), section.number("scale", 1.0)
    if stride == 0 or abs(stride) > 64:
        raise section.error(f"stride={stride} must be from 1 to 64, or negative", "stride")
    if stride < 0 and (shape.height % -stride or shape.width % -stride):
        raise section.error(f"{tuple(shape[:2])} is no multiple of {-stride}", "stride")
    if stride > 0:
        output = Shape(shape.height * stride, shape.width * stride, shape.channels)
    else:
        output = Shape(shape.height // -stride, shape.width // -stride, shape.channels)

    def draw(drawn: dict[int, Any], x: Any) -> Any:
        if stride > 0:
            x = keras.layers.UpSampling2D(
                stride, interpolation="nearest", data_format="channels_last", name=name_of(section)
            )(x)
        else:
            x = SumPool(-stride, name=name_of(section))(x)
        if scale == 1:
            return x
        return keras.layers.Rescaling(scale, name=f"{name_of(section)}_scale")(x)

    return Layer(section, (plan.last,), output, draw)


def reorg3d(section: Section, plan: Plan) -> Layer:
    """Each s×s block of pixels becomes channels, the block's place first [blas.c:reorg_cpu]."""
    shape, stride = plan.shape(plan.last), section.count("stride", 1)
    _divides(section, shape, stride)

    def draw(drawn: dict[int, Any], x: Any) -> Any:
        return Reorg(stride, name=name_of(section))(x)

    return Layer(section, (plan.last,), _reorganised(shape, stride), draw)


def reorg(section: Section, plan: Plan) -> Layer:
    """Darknet's first reorg, which mixes rows and channels [reorg_old_layer.c].

    It reads the map as if it were its own inverse's input, as the weights of YOLOv2 were trained.
    """
    shape, stride = plan.shape(plan.last), section.count("stride", 1)
    _divides(section, shape, stride)
    if shape.channels % stride**2:
        raise section.error(f"{shape.channels} channels are no multiple of {stride}²", "stride")

    def draw(drawn: dict[int, Any], x: Any) -> Any:
        return ReorgOld(stride, name=name_of(section))(x)

    return Layer(section, (plan.last,), _reorganised(shape, stride), draw)


def _divides(section: Section, shape: Shape, stride: int) -> None:
    if shape.height % stride or shape.width % stride:
        raise section.error(f"{tuple(shape[:2])} is no multiple of stride={stride}", "stride")


def _reorganised(shape: Shape, stride: int) -> Shape:
    return Shape(shape.height // stride, shape.width // stride, shape.channels * stride**2)


def dropout(section: Section, plan: Plan) -> Layer:
    """Identity at inference; training drops single outputs, even with `dropblock`."""
    rate = section.number("probability", 0.2)
    if not 0 <= rate < 1:
        raise section.error(f"probability={rate} must be in [0, 1)", "probability")

    def draw(drawn: dict[int, Any], x: Any) -> Any:
        return keras.layers.Dropout(rate, name=name_of(section))(x)

    return Layer(section, (plan.last,), plan.shape(plan.last), draw)


def activation(section: Section, plan: Plan) -> Layer:
    """An activation by itself [activation_layer.c]."""
    activation_name(section, "linear")

    def draw(drawn: dict[int, Any], x: Any) -> Any:
        return activation_layer(section, "linear")(x)

    return Layer(section, (plan.last,), plan.shape(plan.last), draw)


def empty(section: Section, plan: Plan) -> Layer:
    """Nothing: the output of the layer before it."""
    return Layer(section, (plan.last,), plan.shape(plan.last), lambda drawn, x: x)
