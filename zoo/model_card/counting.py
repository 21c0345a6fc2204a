"""What a network costs, counted on its graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from zoo.darknet.plan import Shape
from zoo.verification.architecture import flops
from zoo.verification.graph import Graph, node_of


def count_flops(detector: Any, size: Sequence[int]) -> int:
    """Multiplications and additions for one image, as Darknet counts them; nothing is computed.

    Args:
        detector: a `zoo.detector.Detector`.
        size: height and width of the network input, pixels.
    """
    graph = Graph(detector)
    specs = {id(graph.images): keras.KerasTensor((1, *size, 3), dtype=graph.images.dtype)}
    total = 0
    for node in _in_order(graph):
        _draw(graph, node, specs)
        for output in node.outputs:
            shape = specs[id(output)].shape
            if len(shape) == 4:
                inputs = len(node.input_tensors)
                total += flops(node.operation, Shape(*shape[1:]), inputs) or 0
    return total


def _in_order(graph: Graph) -> list[Any]:
    """The operations, each after those that it takes from."""
    ordered: dict[int, Any] = {}
    waiting = list(graph.nodes)
    while waiting:
        node = waiting[-1]
        sources = [node_of(tensor) for tensor in graph.inputs(node)]
        missing = [source for source in sources if source and id(source) not in ordered]
        waiting += missing
        if not missing:
            ordered.setdefault(id(waiting.pop()), node)
    return list(ordered.values())


def _draw(graph: Graph, node: Any, specs: dict[int, Any]) -> None:
    """Shapes of what an operation gives, from those of what it takes."""
    given = {
        id(there): specs[id(here)]
        for there, here in zip(node.input_tensors, graph.inputs(node), strict=True)
    }
    args, kwargs = node.arguments.fill_in(given)
    outputs = keras.tree.flatten(node.operation.compute_output_spec(*args, **kwargs))
    specs |= {id(there): here for there, here in zip(node.outputs, outputs, strict=True)}
