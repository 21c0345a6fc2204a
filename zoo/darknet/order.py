"""The order in which a Darknet cfg lists the convolutions of a detector.

A cfg is one list in which a head stands as soon as its features exist, amid the neck; here
backbone, neck and head are models of their own. The order is read off the graph, so it holds for
any parts: each level's head follows the last neck convolution that its features need. Only cfgs
that list all heads at the end, as the larger Scaled-YOLOv4 do, must say so: `after_neck` of the
head.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zoo.errors import ZooError
from zoo.registry import HEADS


def darknet_order(detector: Any) -> list[Any]:
    """The `ConvBN` layers of a detector as its cfg would list them.

    Args:
        detector: a model with the nested models `backbone`, `neck` and `head`, and the levels in
            Darknet's order as the keys of `detector.head.masks`; `detector.head.after_neck` says
            whether all heads stand after the neck.

    Returns:
        Every `ConvBN` once; within each nested model in the order of creation.

    Raises:
        ZooError: the head is none of [yolo] levels.
    """
    backbone, neck, head = (
        convolutions(detector.get_layer(n)) for n in ("backbone", "neck", "head")
    )
    levels = darknet_levels(detector)
    features = detector.get_layer("neck").output
    after = {level: _last_created(features[level]) for level in levels}
    if getattr(detector.head, "after_neck", False):
        return [*backbone, *neck, *head]
    order = list(backbone)
    for rank in sorted({-1, *after.values(), *(layer.created for layer in neck)}):
        order += [layer for layer in neck if layer.created == rank]
        due = [level for level in levels if after[level] == rank]
        order += [layer for level in due for layer in head if _level(layer, levels) == level]
    return order


def darknet_levels(detector: Any) -> list[str]:
    """The levels of a detector's head in the order of their [yolo] sections.

    Raises:
        ZooError: the head has none, as one of a third party.
    """
    if not hasattr(detector.head, "masks"):
        title = HEADS.title(detector.cfg["head"]["name"])
        raise ZooError(
            f"{title} has no `masks`, so that {detector.name} is no network of [yolo] sections, "
            "which a cfg, a .weights file and a comparison with Darknet need"
        )
    return list(detector.head.masks)


def convolutions(model: Any) -> list[Any]:
    """All `ConvBN` layers of a model, at any depth, in the order of creation."""
    found = [layer for layer in model._flatten_layers() if _is_conv_bn(layer)]
    return sorted(found, key=lambda layer: layer.created)


def ancestors(tensor: Any) -> list[Any]:
    """The layers that a symbolic tensor was computed by, within its functional model."""
    seen: dict[int, Any] = {}
    waiting = [tensor]
    while waiting:
        operation = waiting.pop()._keras_history.operation
        if id(operation) not in seen:
            seen[id(operation)] = operation
            waiting += [t for node in operation._inbound_nodes for t in node.input_tensors]
    return list(seen.values())


def _last_created(tensor: Any) -> int:
    """Creation rank of the newest convolution that a neck output needs, -1 without any."""
    return max(_ranks(ancestors(tensor)), default=-1)


def _ranks(layers: Iterable[Any]) -> Iterable[int]:
    for layer in layers:
        for inner in getattr(layer, "_flatten_layers", list)():
            if _is_conv_bn(inner):
                yield inner.created


def _is_conv_bn(layer: Any) -> bool:
    return hasattr(layer, "convolution") and hasattr(layer, "created")


def _level(layer: Any, levels: Iterable[str]) -> str | None:
    """The level that the name of a layer of the head begins with, None without any."""
    # P5_2_conv is of P5_2 where that is a level, not of P5.
    found = [level for level in levels if layer.name.startswith(f"{level}_")]
    return max(found, key=len, default=None)
