"""A cfg → shapes, weights and cost of each of its layers, before anything is allocated."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from zoo.darknet.cfg import Cfg, Section, parse
from zoo.darknet.keys import check_keys
from zoo.errors import ZooError

#: No sensible network has more weights, nor a layer more outputs: the largest official one has
#: 2.8e8 weights in 375 layers.
MAX_FLOATS = 1 << 31
MAX_LAYERS = 10_000


class Shape(NamedTuple):
    """Sides and channels of a feature map."""

    height: int
    width: int
    channels: int

    @property
    def size(self) -> int:
        """How many numbers one image has of it."""
        return self.height * self.width * self.channels


class Array(NamedTuple):
    """An array of weights as a `.weights` file holds it: kernels (filters, inputs, h, w)."""

    role: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """What a section means at a given input size.

    Attributes:
        section: where it was written.
        sources: Darknet's indices of the layers whose outputs it takes, −1 for the image.
        output: the shape of its result.
        draw: draws it: `draw(drawn, *tensors of the sources)` gives its result; `drawn` holds the
            Keras layers with weights by index, and takes this one's.
        arrays: its weights, in the order of a file.
        flops: multiplications and additions of one image, as Darknet counts them.
    """

    section: Section
    sources: tuple[int, ...]
    output: Shape
    draw: Callable[..., Any]
    arrays: tuple[Array, ...] = ()
    flops: int = 0

    @property
    def index(self) -> int:
        """Darknet's number of the layer."""
        return self.section.index

    @property
    def name(self) -> str:
        """What its Keras layer is called."""
        return name_of(self.section)

    @property
    def parameters(self) -> int:
        """How many weights it has of its own, moving statistics included."""
        return sum(math.prod(array.shape) for array in self.arrays)

    @property
    def in_file(self) -> tuple[Array, ...]:
        """The arrays that a file of this cfg holds: none with `dontload`."""
        if self.section.integer("dontload", 0):
            return ()
        if self.section.integer("dontloadscales", 0) and self.section.kind == "convolutional":
            return tuple(a for a in self.arrays if a.role not in ("gamma", "mean", "variance"))
        return self.arrays


def name_of(section: Section) -> str:
    """The name of a section's Keras layer: its kind and Darknet's index."""
    return f"{section.kind}_{section.index}"


@dataclass
class Plan:
    """The layers of a cfg.

    Attributes:
        cfg: what was planned.
        image: the shape of the network input.
        layers: by Darknet's index.
    """

    cfg: Cfg
    image: Shape
    layers: list[Layer] = field(default_factory=list)

    @property
    def flops(self) -> int:
        """Of the whole network, for one image."""
        return sum(layer.flops for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Weights of the whole network."""
        return sum(layer.parameters for layer in self.layers)

    def of_kind(self, kind: str) -> list[Layer]:
        """The layers of one kind, in order."""
        return [layer for layer in self.layers if layer.section.kind == kind]

    # === What a section asks while it is planned ===

    @property
    def last(self) -> int:
        """The index of the layer before the one that is planned, −1 for the image."""
        return len(self.layers) - 1

    def shape(self, index: int) -> Shape:
        """The shape of a layer's output; of the image for −1."""
        return self.image if index < 0 else self.layers[index].output

    def sources(self, section: Section, key: str) -> list[int]:
        """The layers that a list of indices names; negative ones count from this layer.

        Raises:
            ZooError: the key is missing, or an index points at or beyond this layer.
        """
        indices = section.integers(key)
        if not indices:
            raise section.error(f"{key}= is missing: it says which layers are taken")
        resolved = [index if index >= 0 else section.index + index for index in indices]
        for index, found in zip(indices, resolved, strict=True):
            if not 0 <= found < section.index:
                raise section.error(
                    f"{key}={index} names no layer before this one (layer {section.index})", key
                )
        return resolved

    def source(self, section: Section, key: str) -> int:
        """As `sources`, of the first index."""
        return self.sources(section, key)[0]


def plan(cfg: Cfg | str, size: Sequence[int] | None = None) -> Plan:
    """Work out what every layer of a cfg computes.

    Args:
        cfg: a parsed cfg or its text.
        size: height and width of the input in pixels, in the place of those of [net].

    Raises:
        ZooError: a section or a key is not supported, or the layers do not fit each other; the
            error names the line.
    """
    from zoo.darknet.sections import MEANINGS

    cfg = parse(cfg) if isinstance(cfg, str) else cfg
    check_keys(cfg)
    planned = Plan(cfg, _image(cfg.net, size))
    if not 0 < len(cfg.layers) <= MAX_LAYERS:
        raise ZooError(f"{cfg.source} has {len(cfg.layers):,} layers, not 1 to {MAX_LAYERS:,}")
    weights = 0
    for section in cfg.layers:
        layer = MEANINGS[section.kind](section, planned)
        weights += layer.parameters
        _check_size(layer, weights)
        planned.layers.append(layer)
    return planned


def _image(net: Section, size: Sequence[int] | None) -> Shape:
    if net.integer("inputs", 0):
        raise net.error("inputs= of a network without an image is not supported", "inputs")
    height, width = (net.count(key, 0) for key in ("height", "width"))
    if size is not None:
        height, width = size
    return Shape(height, width, net.count("channels", 0))


def _check_size(layer: Layer, weights: int) -> None:
    output, section = layer.output, layer.section
    if min(output) < 1:
        raise section.error(f"nothing is left of its input: the output would be {tuple(output)}")
    for what, floats in (("outputs", output.size), ("weights up to here", weights)):
        if floats > MAX_FLOATS:
            raise section.error(f"{floats:,} {what} are more than the {MAX_FLOATS:,} allowed")
