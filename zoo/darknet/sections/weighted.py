"""Sections with weights: [convolutional], [batchnorm], [connected], [implicit]."""

from __future__ import annotations

from typing import Any

from zoo.darknet.cfg import Section
from zoo.darknet.plan import Array, Layer, Plan, Shape, name_of
from zoo.darknet.sections.activations import activation_name
from zoo.layer.blur import Blur, blurred
from zoo.layer.connected import Connected
from zoo.layer.convolution import ConvBN
from zoo.layer.implicit import Implicit
from zoo.layer.normalization import BatchNormalization


def convolutional(section: Section, plan: Plan) -> Layer:
    """Convolution, batch normalisation or bias, activation [convolutional_layer.c].

    With `antialiasing` the convolution keeps the sides and a blur takes the strides. A layer with
    `share_index` has the weights of another one. `cbn` normalises as `batch_normalize` does at
    inference; across iterations it does not.
    """
    image = plan.shape(plan.last)
    settings = _convolution(section)
    size, padding, dilation = settings["size"], settings["padding"], settings["dilation"]
    filters, groups = settings["filters"], settings["groups"]
    if image.channels % groups or filters % groups:
        raise section.error(
            f"groups={groups} divides not both {image.channels} inputs and filters={filters}",
            "groups",
        )
    if dilation > 1 and 2 * padding != size - 1:
        raise section.error("dilation needs an odd size and pad=1", "dilation")
    blur, strides = section.integer("antialiasing", 0), strides_of(section)
    settings["stride"] = (1, 1) if blur else strides
    sides = [
        (side + 2 * padding - size) // stride + 1
        for side, stride in zip(image[:2], settings["stride"], strict=True)
    ]
    weights = filters * (image.channels // groups) * size * size
    flops = 2 * weights * sides[0] * sides[1]
    output = blurred((*sides, filters), strides, blur)
    shared = _shared(section, plan)

    def draw(drawn: dict[int, Any], x: Any) -> Any:
        layer = drawn[shared.index] if shared else ConvBN(**settings, name=name_of(section))
        if not shared:
            drawn[section.index] = layer
        x = layer(x)
        return Blur(strides, blur, name=f"{name_of(section)}_blur")(x) if blur else x

    arrays = () if shared else _arrays(settings, image.channels)
    return Layer(section, (plan.last,), Shape(*output), draw, arrays, flops)


def _convolution(section: Section) -> dict[str, Any]:
    """Keywords of `ConvBN`, but for the stride."""
    size = section.count("size", 1)
    padding = section.count("padding", 0, least=0)
    return {
        "filters": section.count("filters", 1),
        "size": size,
        "padding": size // 2 if section.integer("pad", 0) else padding,
        "dilation": 1 if size == 1 else section.count("dilation", 1),
        "groups": max(1, section.integer("groups", 1)),
        "activation": activation_name(section, "logistic"),
        "normalize": bool(section.integer("batch_normalize", 0) or section.integer("cbn", 0)),
    }


def strides_of(section: Section) -> tuple[int, int]:
    """Steps down and across: `stride_y` and `stride_x`, or `stride` for what these do not say."""
    stride = section.count("stride", 1)
    across, down = section.integer("stride_x", -1), section.integer("stride_y", -1)
    return (down if down >= 1 else stride, across if across >= 1 else stride)


def _shared(section: Section, plan: Plan) -> Layer | None:
    if "share_index" not in section.entries:
        return None
    index = plan.source(section, "share_index")
    other = plan.layers[index].section
    if other.kind != "convolutional" or "share_index" in other.entries:
        raise section.error(f"share_index={index} is no convolution of its own", "share_index")
    same = _convolution(section) == _convolution(other) and (
        strides_of(section) == strides_of(other)
        and plan.shape(index - 1).channels == plan.shape(plan.last).channels
        and section.integer("antialiasing", 0) == other.integer("antialiasing", 0)
    )
    if not same:
        raise section.error(
            f"share_index={index}: sharing weights under other settings is not supported",
            "share_index",
        )
    return plan.layers[index]


def _arrays(settings: dict[str, Any], channels: int) -> tuple[Array, ...]:
    filters, size = settings["filters"], settings["size"]
    roles = _NORMALIZATION if settings["normalize"] else ("bias",)
    kernel = Array("kernel", (filters, channels // settings["groups"], size, size))
    return (*(Array(role, (filters,)) for role in roles), kernel)


#: Batch normalisation's arrays in the order of a file.
_NORMALIZATION = ("beta", "gamma", "mean", "variance")


def batchnorm(section: Section, plan: Plan) -> Layer:
    """Batch normalisation by itself [batchnorm_layer.c:forward_batchnorm_layer]."""
    shape = plan.shape(plan.last)

    def draw(drawn: dict[int, Any], x: Any) -> Any:
        drawn[section.index] = BatchNormalization(name=name_of(section))
        return drawn[section.index](x)

    arrays = tuple(Array(role, (shape.channels,)) for role in _NORMALIZATION)
    return Layer(section, (plan.last,), shape, draw, arrays)


def connected(section: Section, plan: Plan) -> Layer:
    """Dense layer over a feature map in Darknet's order, channels first [connected_layer.c]."""
    shape = plan.shape(plan.last)
    units = section.count("output", 1)
    activation = activation_name(section, "logistic")
    normalize = bool(section.integer("batch_normalize", 0))

    def draw(drawn: dict[int, Any], x: Any) -> Any:
        drawn[section.index] = Connected(
            units, activation=activation, normalize=normalize, name=name_of(section)
        )
        return drawn[section.index](x)

    # The kernel stands before the rest of the normalisation, other than in a convolution.
    rest = _NORMALIZATION[1:] if normalize else ()
    arrays = (
        Array("beta" if normalize else "bias", (units,)),
        Array("kernel", (units, shape.size)),
        *(Array(role, (units,)) for role in rest),
    )
    flops = 2 * shape.size * units
    return Layer(section, (plan.last,), Shape(1, 1, units), draw, arrays, flops)


def implicit(section: Section, plan: Plan) -> Layer:
    """Trained constants that no input influences [representation_layer.c:make_implicit_layer].

    `mean` and `std` say where they start.
    """
    filters, atoms = section.count("filters", 128), section.count("atoms", 1)
    mean, spread = section.number("mean", 0.0), section.number("std", 0.2)

    def draw(drawn: dict[int, Any], x: Any) -> Any:
        drawn[section.index] = Implicit(
            filters, atoms=atoms, mean=mean, spread=spread, name=name_of(section)
        )
        return drawn[section.index](x)

    arrays = (Array("weights", (filters * atoms,)),)
    return Layer(section, (plan.last,), Shape(atoms, 1, filters), draw, arrays)
