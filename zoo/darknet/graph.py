"""A cfg → a Keras graph with one tensor for each of Darknet's layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import keras

from zoo.darknet.cfg import Cfg
from zoo.darknet.plan import Layer, Plan, plan
from zoo.layer.first import First

#: Kinds of sections that work at one input size only.
FIXED = {"connected"}


@dataclass(frozen=True)
class CfgGraph:
    """The graph of a cfg.

    Attributes:
        plan: what each layer computes at the size of [net]: shapes, weights, cost.
        input: the images, float (batch, height, width, channels) in [0, 1]; the sides are open
            unless a layer needs them fixed.
        outputs: by Darknet's index, (batch, height, width, channels) each. Those of [yolo] have
            its activations.
        keras_layers: the Keras layers with weights, by Darknet's index.
    """

    plan: Plan
    input: Any
    outputs: list[Any]
    keras_layers: dict[int, keras.Layer]

    @property
    def layers(self) -> list[Layer]:
        """By Darknet's index: `output` shape, `parameters`, `flops`, `sources`, `section`."""
        return self.plan.layers

    def with_all_weights(self, result: Any, layers: Iterable[int]) -> Any:
        """A tensor that keeps in a model what a `.weights` file has and `result` does not need.

        Args:
            result: a tensor of this graph.
            layers: Darknet's indices of all layers that the model gives or needs directly.
        """
        used = self._ancestors(layers)
        unused = [
            self.outputs[layer.index]
            for layer in self.layers
            if layer.parameters and layer.index not in used
        ]
        return First(name="unused")([result, *unused]) if unused else result

    def _ancestors(self, layers: Iterable[int]) -> set[int]:
        found: set[int] = set()
        waiting = list(layers)
        while waiting:
            index = waiting.pop()
            if index >= 0 and index not in found:
                found.add(index)
                waiting += self.layers[index].sources
        return found


def build_network(cfg: Cfg | str, image: Any = None) -> CfgGraph:
    """Draw every layer of a cfg.

    Args:
        cfg: a parsed cfg or its text.
        image: a Keras tensor (batch, height, width, channels); by default a fresh input.

    Raises:
        ZooError: a section or a key is not supported, or the layers do not fit each other; nothing
            is allocated then.
    """
    planned = plan(cfg)
    if image is None:
        image = fresh_input(planned)
    outputs: list[Any] = []
    drawn: dict[int, keras.Layer] = {}
    for layer in planned.layers:
        sources = [image if source < 0 else outputs[source] for source in layer.sources]
        outputs.append(layer.draw(drawn, *sources))
    return CfgGraph(planned, image, outputs, drawn)


def fresh_input(planned: Plan) -> Any:
    """A Keras input for a cfg; its sides are open unless a section needs them fixed."""
    fixed = any(layer.section.kind in FIXED for layer in planned.layers)
    sides = planned.image[:2] if fixed else (None, None)
    return keras.Input((*sides, planned.image.channels), name="images")
