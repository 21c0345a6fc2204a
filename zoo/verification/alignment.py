"""Which tensor of a detector is the output of which layer of a cfg."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

from zoo.darknet.order import darknet_order
from zoo.darknet.plan import Layer, Plan
from zoo.darknet.weights import cfg_text
from zoo.layer.pooling import MaxPool
from zoo.verification.graph import Graph, node_of

#: Sections that pass on what the layer before them gives, at inference.
PASSING = {"cost", "dropout", "yolo"}
#: What a Keras layer of an imported cfg may be called after its section, the last one first.
SUFFIXES = ("_activation", "_blur", "", "_group0")


def align(detector: Any, graph: Graph, plan: Plan) -> list[Any | None]:
    """The tensor of each Darknet layer's output, None where the model has no such tensor.

    A model of parts says nothing about Darknet's layers, but the cfg says what each takes: of a
    convolution, that it is the next one in `darknet_order`; of another layer, that it is the
    operation of its kind on the tensors of its sources. The [yolo] layers stand for their raw
    predictions.

    Args:
        detector: a `zoo.detector.Detector`, of parts or of a cfg.
        graph: its operations.
        plan: the cfg; `zoo.verification.architecture.check` has let it pass.

    Raises:
        ZooError: a convolution takes another tensor than the cfg says.
    """
    if cfg_text(detector) is not None:
        return _by_name(detector, plan)
    following = iter(darknet_order(detector))
    tensors: list[Any | None] = []
    for layer in plan.layers:
        sources = [graph.images if s < 0 else tensors[s] for s in layer.sources]
        if layer.section.kind == "convolutional":
            tensors.append(_convolution(layer, next(following), sources, tensors, graph))
        elif any(source is None for source in sources):
            tensors.append(None)
        else:
            tensors.append(_found(layer, sources, graph))
    return tensors


def _convolution(
    layer: Layer, ours: Any, sources: list[Any], tensors: Sequence[Any], graph: Graph
) -> Any:
    """The output of a convolution, once it is sure that it takes what the cfg says."""
    node = ours._inbound_nodes[-1]
    (taken,) = graph.inputs(node)
    (wanted,) = sources
    if wanted is not None and taken is not graph.follow(wanted):
        known = {id(graph.follow(t)): index for index, t in enumerate(tensors) if t is not None}
        index = known.get(id(taken))
        what = "another tensor" if index is None else f"the output of layer {index}"
        raise layer.section.error(
            f"it takes the output of layer {layer.sources[0]}, but {ours.name!r} of the model "
            f"takes {what}"
        )
    return node.outputs[0]


# === Other layers of a model of parts ===


def _found(layer: Layer, sources: list[Any], graph: Graph) -> Any | None:
    if layer.section.kind in PASSING:
        return sources[0]
    find = FINDERS.get(layer.section.kind)
    return find(layer, sources, graph) if find else None


def _route(layer: Layer, sources: list[Any], graph: Graph) -> Any | None:
    groups = layer.section.integer("groups", 1)
    if len(sources) > 1:
        return _output(graph.find("Concatenate", sources)) if groups == 1 else None
    if groups == 1:
        return sources[0]
    node = graph.find("Split", sources)
    if node is None or len(node.outputs) != groups:
        return None
    return node.outputs[layer.section.integer("group_id", 0)]


def _shortcut(layer: Layer, sources: list[Any], graph: Graph) -> Any | None:
    linear = layer.section.text("activation", "linear") == "linear"
    return _output(graph.find("Add", sources)) if linear else None


def _sam(layer: Layer, sources: list[Any], graph: Graph) -> Any | None:
    return _output(graph.find("Multiply", sources))


def _maxpool(layer: Layer, sources: list[Any], graph: Graph) -> Any | None:
    """One tensor is pooled by windows of several sizes in spatial pyramid pooling."""
    stride = layer.section.integer("stride", 1)
    size = layer.section.integer("size", stride)
    wanted, source = ((size, size), (stride, stride)), graph.follow(sources[0])
    for node in graph.nodes:
        if _window(node.operation) == wanted and graph.inputs(node)[0] is source:
            return node.outputs[0]
    return None


def _window(operation: Any) -> tuple[tuple, tuple] | None:
    """Sides and steps of what a pool looks at; None of another operation."""
    if isinstance(operation, MaxPool):
        return (operation.size, operation.size), operation.strides
    if isinstance(operation, keras.layers.MaxPooling2D):
        return tuple(operation.pool_size), tuple(operation.strides)
    return None


def _upsample(layer: Layer, sources: list[Any], graph: Graph) -> Any | None:
    return _output(graph.find("UpSampling2D", sources))


FINDERS: dict[str, Callable[[Layer, list[Any], Graph], Any | None]] = {
    "maxpool": _maxpool,
    "route": _route,
    "sam": _sam,
    "shortcut": _shortcut,
    "upsample": _upsample,
}


def _output(node: Any | None) -> Any | None:
    return None if node is None else node.outputs[0]


# === An imported cfg ===


def _by_name(detector: Any, plan: Plan) -> list[Any | None]:
    """The graph of a cfg names its Keras layers after the sections."""
    outputs = {
        operation.name: operation._inbound_nodes[0].outputs[0]
        for operation in detector.get_layer("backbone").operations
        if operation._inbound_nodes
    }
    tensors: list[Any | None] = []
    for layer in plan.layers:
        names = [f"{layer.name}{suffix}" for suffix in SUFFIXES if layer.section.kind != "yolo"]
        found = next((outputs[name] for name in names if name in outputs), None)
        if found is None and len(layer.sources) == 1 and layer.section.kind in (*PASSING, "route"):
            source = layer.sources[0]
            found = tensors[source] if source >= 0 else None
        tensors.append(found)
    return tensors


def operations(graph: Graph, tensors: Sequence[Any | None]) -> Iterator[Any | None]:
    """The Keras operation that gives each tensor, None where there is none."""
    for tensor in tensors:
        node = None if tensor is None else node_of(graph.follow(tensor))
        yield None if node is None else node.operation
