"""A model's architecture against a cfg: what is compared before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras

from zoo import config
from zoo.darknet.cfg import Section
from zoo.darknet.importing import decodings, nms_kind
from zoo.darknet.order import darknet_levels, darknet_order
from zoo.darknet.plan import Layer, Plan, Shape
from zoo.darknet.sections.activations import activation_name
from zoo.darknet.sections.weighted import strides_of
from zoo.darknet.weights import cfg_text
from zoo.errors import ZooError
from zoo.layer.pooling import MaxPool
from zoo.nested import differences


def check(detector: Any, plan: Plan) -> None:
    """Refuse a model of parts that is another network than the cfg's.

    Raises:
        ZooError: the first convolution or [yolo] that differs, with both values.
    """
    if cfg_text(detector) is None:  # an imported model was drawn from its cfg
        _check_convolutions(detector, plan)
    _check_heads(detector, plan)


def _check_convolutions(detector: Any, plan: Plan) -> None:
    ours, theirs = darknet_order(detector), plan.of_kind("convolutional")
    for layer, convolution in zip(theirs, ours, strict=False):
        _refuse_difference(
            layer.section, of_section(layer), of_layer(convolution), f"{convolution.name!r}"
        )
    if len(ours) != len(theirs):
        raise ZooError(
            f"the model has {len(ours)} convolutions, {plan.cfg.source} has {len(theirs)}; as far "
            "as both go they are equal"
        )


def of_section(layer: Layer) -> dict[str, Any]:
    """What a [convolutional] is, in Darknet's words."""
    section, arrays = layer.section, {array.role: array.shape for array in layer.arrays}
    size = section.integer("size", 1)
    return {
        "filters": section.integer("filters", 1),
        "size": size,
        "stride": strides_of(section),
        "groups": max(1, section.integer("groups", 1)),
        "padding": size // 2 if section.integer("pad", 0) else section.integer("padding", 0),
        "activation": activation_name(section, "logistic"),
        "batch_normalize": int("mean" in arrays),
        "inputs of a group": arrays["kernel"][1],
        "parameters": layer.parameters,
    }


def of_layer(convolution: Any) -> dict[str, Any]:
    """What a `ConvBN` is, in Darknet's words."""
    settings, kernel = convolution.settings, convolution.convolution.kernel
    return {
        "filters": settings["filters"],
        "size": settings["size"],
        "stride": convolution.strides,
        "groups": settings["groups"],
        "padding": convolution.margin // settings["dilation"],
        "activation": settings["activation"],
        "batch_normalize": int(settings["normalize"]),
        "inputs of a group": int(kernel.shape[2]),
        "parameters": convolution.count_params(),
    }


def _check_heads(detector: Any, plan: Plan) -> None:
    sections, head = [layer.section for layer in plan.of_kind("yolo")], detector.head
    levels = darknet_levels(detector)
    for section, level, theirs, ours in decodings(sections, head):
        _refuse_difference(section, theirs, ours, f"the head at {level}")
    if len(levels) != len(sections):
        raise ZooError(
            f"the model has {len(levels)} heads, {plan.cfg.source} has {len(sections)} [yolo]"
        )
    # Darknet suppresses as its last [yolo] says [detector.c:test_detector].
    kind, name = nms_kind(sections[-1]), detector.cfg["nms"]["name"]
    _refuse_difference(sections[-1], {"nms_kind": kind}, {"nms_kind": name}, "the model's NMS")


def _refuse_difference(
    section: Section, theirs: Mapping[str, Any], ours: Mapping[str, Any], what: str
) -> None:
    for key, value in theirs.items():
        if ours[key] != value:
            raise section.error(f"{key} is {value}, but {ours[key]} in the model ({what})", key)


# === Names ===


def check_name(preset: str, model: str) -> None:
    """Refuse a preset that is called after another model than it has.

    Args:
        preset: its name, e.g. `"yolov4-tiny-coco"`; one that is called after none of `conf/model`
            says nothing, and passes.
        model: the model that its card gives.

    Raises:
        ZooError: the name begins with that of another model; the first difference is named.
    """
    called = preset.replace("-", "_")
    models = [m for m in config.options("model") if f"{called}_".startswith(f"{m}_")]
    named = max(models, key=len, default=model)
    if named == model:
        return
    ours, theirs = (config.plain(config.compose(f"model/{m}"))["model"] for m in (model, named))
    # The names differ for certain, and say nothing.
    others = (row for row in differences(theirs, ours) if row[0] != "name")
    key, wanted, found = next(others, ("name", named, model))
    raise ZooError(
        f"preset {preset!r} is called after {named}, but its card says model: {model}; the first "
        f"difference is {key}: {wanted} in {named}, {found} in {model}"
    )


# === Cost ===


def flops(operation: Any, shape: Shape, inputs: int) -> int | None:
    """Multiplications and additions of a Keras operation, as Darknet counts them.

    Convolutions 2 · weights · pixels, pools window · outputs, sums one an addition, the rest
    nothing [convolutional_layer.c, maxpool_layer.c, shortcut_layer.c: `bflops`].

    Args:
        operation: a Keras layer or operation.
        shape: of its output.
        inputs: how many tensors it takes.

    Returns:
        None for an operation that this does not know.
    """
    if hasattr(operation, "convolution"):
        return 2 * math.prod(operation.convolution.kernel.shape) * shape.height * shape.width
    if isinstance(operation, keras.layers.MaxPooling2D):
        return math.prod(operation.pool_size) * shape.size
    if isinstance(operation, MaxPool):
        return operation.size**2 * shape.size
    if type(operation).__name__ == "Add":
        return (inputs - 1) * shape.size
    return None
