"""A detector's nested models as one graph, run an operation at a time.

A `keras.Model` of all layers' outputs would hold them all at once; here a value is dropped as soon
as no operation needs it any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np


class Graph:
    """The operations between the images and the predictions, across backbone, neck and head.

    Args:
        detector: a `zoo.detector.Detector`.
    """

    def __init__(self, detector: Any):
        backbone, neck, head = (detector.get_layer(n) for n in ("backbone", "neck", "head"))
        self.images = backbone.input
        self._same: dict[int, Any] = {}
        for upstream, model in ((backbone, neck), (neck, head)):
            for level, tensor in model.input.items():
                self._same[id(tensor)] = upstream.output[level]
        self.predictions = head.output
        self.nodes = self._reachable(self.predictions.values())
        self._by_inputs = {self._signature(node): node for node in self.nodes}

    def follow(self, tensor: Any) -> Any:
        """The tensor itself; for the input of a nested model what it is fed with, and so on.

        What an identity gives is the tensor it takes.
        """
        while True:
            if id(tensor) in self._same:
                tensor = self._same[id(tensor)]
            elif (node := node_of(tensor)) is not None and _is_identity(node.operation):
                tensor = node.input_tensors[0]
            else:
                return tensor

    def find(self, kind: str, tensors: Sequence[Any]) -> Any | None:
        """The node of the operation of a class, e.g. `"Add"`, that takes just these tensors.

        A concatenation of all parts of a split, in order, takes what was split.
        """
        key = _ordered(kind, [id(self.follow(tensor)) for tensor in tensors])
        return self._by_inputs.get((kind, key))

    def inputs(self, node: Any) -> list[Any]:
        """The tensors that an operation takes."""
        return [self.follow(tensor) for tensor in node.input_tensors]

    def _signature(self, node: Any) -> tuple[str, tuple[int, ...]]:
        kind, tensors = type(node.operation).__name__, self.inputs(node)
        if kind == "Concatenate":
            tensors = self._unsplit(tensors, node.operation.axis)
        return kind, _ordered(kind, [id(tensor) for tensor in tensors])

    def _unsplit(self, tensors: list[Any], axis: int) -> list[Any]:
        """The tensor that was split in the place of all its parts in order."""
        found: list[Any] = []
        for tensor in tensors:
            found.append(tensor)
            node = node_of(tensor)
            if node is None or type(node.operation).__name__ != "Split":
                continue
            count = len(node.outputs)
            whole = [id(part) for part in found[-count:]] == [id(part) for part in node.outputs]
            if whole and node.operation.axis == axis:
                found[-count:] = [self.follow(node.input_tensors[0])]
        return found

    def _reachable(self, tensors: Iterable[Any]) -> list[Any]:
        found: dict[int, Any] = {}
        waiting = list(tensors)
        while waiting:
            node = node_of(self.follow(waiting.pop()))
            if node is not None and id(node) not in found:
                found[id(node)] = node
                waiting += node.input_tensors
        return list(found.values())


def node_of(tensor: Any) -> Any | None:
    """The call that gave a symbolic tensor; None for an input."""
    history = tensor._keras_history
    node = history.operation._inbound_nodes[history.node_index]
    return None if node.is_input else node


def _ordered(kind: str, tensors: list[int]) -> tuple[int, ...]:
    return tuple(sorted(tensors) if kind in ("Add", "Multiply") else tensors)


def _is_identity(operation: Any) -> bool:
    linear = getattr(operation, "activation", None) is keras.activations.linear
    return linear and isinstance(operation, keras.layers.Activation)


class Run:
    """A forward pass whose values are asked for in order.

    Args:
        graph: what is run.
        images: float32 (batch, height, width, 3).
        wanted: the tensors that `value` will be asked for, as often as they stand here.
    """

    def __init__(self, graph: Graph, images: np.ndarray, wanted: Iterable[Any]):
        self.graph = graph
        self._values = {id(graph.images): keras.ops.convert_to_tensor(images)}
        uses = [graph.follow(tensor) for tensor in wanted]
        uses += [tensor for node in graph.nodes for tensor in graph.inputs(node)]
        self._left = Counter(id(tensor) for tensor in uses)

    def value(self, tensor: Any) -> np.ndarray:
        """What a tensor is for the images; each wanted tensor can be asked for once."""
        tensor = self.graph.follow(tensor)
        waiting = [tensor]
        while waiting:
            if id(waiting[-1]) in self._values:
                waiting.pop()
                continue
            node = node_of(waiting[-1])
            missing = [t for t in self.graph.inputs(node) if id(t) not in self._values]
            waiting += missing
            if not missing:
                self._run(node)
        value = keras.ops.convert_to_numpy(self._values[id(tensor)])
        self._used(tensor)
        return value

    def _run(self, node: Any) -> None:
        inputs = self.graph.inputs(node)
        given = {
            id(there): self._values[id(here)]
            for there, here in zip(node.input_tensors, inputs, strict=True)
        }
        args, kwargs = node.arguments.fill_in(given)
        outputs = keras.tree.flatten(node.operation(*args, **kwargs))
        for symbolic, value in zip(node.outputs, outputs, strict=True):
            if self._left[id(symbolic)]:
                self._values[id(symbolic)] = value
        for used in inputs:
            self._used(used)

    def _used(self, tensor: Any) -> None:
        self._left[id(tensor)] -= 1
        if self._left[id(tensor)] <= 0:
            self._values.pop(id(tensor), None)
