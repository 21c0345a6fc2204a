"""The part of a detector that a Darknet cfg describes: everything up to its [yolo] sections."""

from __future__ import annotations

from typing import Any

from zoo.darknet.graph import build_network
from zoo.darknet.plan import Layer, Plan


def darknet_cfg(images: Any, *, text: str) -> dict[str, Any]:
    """The network of a cfg, without the activations of its [yolo] sections.

    Backbone, neck and head of a cfg are one graph here: freezing the backbone freezes all of it.
    `stopbackward` and the like of the cfg do not freeze anything.

    Args:
        images: float (batch, height, width, channels) in [0, 1].
        text: the cfg. It is kept as it is, so that the same file comes out again.

    Returns:
        What enters each [yolo], by level: raw predictions, (batch, h, w, anchors·(5 + classes)).
        A second level of stride 2ⁿ is `"Pn_2"`, and so on.

    Raises:
        ZooError: a section or a key is not supported, or the layers do not fit each other.
    """
    network = build_network(text, images)
    sources = {
        level: source
        for level, layer in yolo_levels(network.plan).items()
        for source in layer.sources
    }
    pyramid = {
        level: images if source < 0 else network.outputs[source]
        for level, source in sources.items()
    }
    level = next(iter(pyramid))
    pyramid[level] = network.with_all_weights(pyramid[level], sources.values())
    return pyramid


def yolo_levels(plan: Plan) -> dict[str, Layer]:
    """The [yolo] layers of a cfg by the name of their level, in the order of the cfg.

    Raises:
        ZooError: the grid of one is not the input divided by a power of two.
    """
    levels: dict[str, Layer] = {}
    for layer in plan.of_kind("yolo"):
        name = f"P{_exponent(plan, layer)}"
        count = 1 + sum(known.split("_")[0] == name for known in levels)
        levels[name if count == 1 else f"{name}_{count}"] = layer
    return levels


def _exponent(plan: Plan, layer: Layer) -> int:
    image, grid = plan.image, layer.output
    stride = max(1, image.height // grid.height)
    if grid[:2] != (image.height / stride, image.width / stride) or stride & (stride - 1):
        raise layer.section.error(
            f"a grid of {grid.height}×{grid.width} cells is not the input, "
            f"{image.height}×{image.width}, divided by a power of two; change width and height"
        )
    return stride.bit_length() - 1
