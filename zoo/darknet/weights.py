"""Darknet's `.weights` into Keras models and out of them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.darknet.file import Header, Record, read_header, read_weights, whole_layers, write_weights
from zoo.darknet.order import convolutions, darknet_order
from zoo.darknet.plan import plan
from zoo.errors import ZooError

#: How Darknet names the start of a file: the layers before the N-th [darknet.c:partial].
FIRST_LAYERS = re.compile(r"\.conv\.\d+$")
#: Where a detector's config keeps the header of the file that its weights came from.
HEADER = "darknet_header"


@dataclass(frozen=True)
class Slot:
    """A variable and its place in a file.

    Attributes:
        role: what it is, e.g. `"beta"`, as in `zoo.darknet.plan.Array`.
        variable: of a Keras layer.
        axes: of the array in the file that give the variable's; None leaves them.
    """

    role: str
    variable: Any
    axes: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """As the array lies in a file."""
        shape = tuple(int(side) for side in self.variable.shape)
        return (
            shape
            if self.axes is None
            else tuple(shape[self.axes.index(i)] for i in range(len(shape)))
        )

    def load(self, array: np.ndarray) -> None:
        """Set the variable."""
        self.variable.assign(array if self.axes is None else array.transpose(self.axes))

    def array(self) -> np.ndarray:
        """The variable's values as a file holds them, float32."""
        values = np.asarray(keras.ops.convert_to_numpy(self.variable.value), "float32")
        return values if self.axes is None else values.transpose(np.argsort(self.axes))


@dataclass(frozen=True)
class Stored:
    """A layer that has numbers in a file: its name in errors and its slots, in file order."""

    name: str
    slots: list[Slot]

    @property
    def record(self) -> Record:
        """What the file must hold of it."""
        return Record(self.name, tuple(slot.shape for slot in self.slots))


def slots(layer: keras.Layer) -> list[Slot]:
    """The variables of a layer in the order of a file.

    Convolution: beta, gamma, mean, variance or bias, then the kernel, OIHW. Connected: bias or
    beta, kernel, then the rest. Batch normalisation: beta, gamma, mean, variance. Others: weights.
    """
    if hasattr(layer, "convolution"):
        kernel = Slot("kernel", layer.convolution.kernel, (2, 3, 1, 0))
        return [*_vectors(layer.normalization, layer.convolution), kernel]
    if hasattr(layer, "dense"):
        first, *rest = _vectors(layer.normalization, layer.dense)
        return [first, Slot("kernel", layer.dense.kernel, (1, 0)), *rest]
    if isinstance(layer, keras.layers.BatchNormalization):
        return _vectors(layer, None)
    return [Slot("weights", layer.weight)]


def _vectors(normalization: Any, biased: Any) -> list[Slot]:
    if normalization is None:
        return [Slot("bias", biased.bias)]
    return [
        Slot("beta", normalization.beta),
        Slot("gamma", normalization.gamma),
        Slot("mean", normalization.moving_mean),
        Slot("variance", normalization.moving_variance),
    ]


def stored_layers(model: Any) -> list[Stored]:
    """What a `.weights` file of a model holds, in order.

    Args:
        model: a detector, of parts or of a cfg, or a classifier of a cfg.

    Raises:
        ZooError: the model holds weights that a file has no place for.
    """
    text = cfg_text(model)
    if text is not None:
        return _stored_of_cfg(model, text)
    stored = _stored(darknet_order(model))
    held, covered = int(model.count_params()), sum(layer.record.floats for layer in stored)
    if held != covered:
        raise ZooError(
            f"{model.name} is not a Darknet network: a .weights file holds convolutions only "
            f"({covered:,} numbers here), the model has {held:,} weights"
        )
    return stored


def _stored(layers: Sequence[Any]) -> list[Stored]:
    return [Stored(f"convolution {index}", slots(layer)) for index, layer in enumerate(layers)]


def first_layers(model: Any) -> list[Stored]:
    """The layers that a `.conv.N` file may hold, in order.

    They are all, or those of backbone and neck where the head is no [yolo], or there is none.

    Raises:
        ZooError: the model, or such a backbone, holds weights that a file has no place for.
    """
    if cfg_text(model) is not None or hasattr(getattr(model, "head", None), "masks"):
        return stored_layers(model)
    found: list[Any] = []
    for part in (layer for layer in model.layers if layer.name in ("backbone", "neck")):
        layers = convolutions(part)
        if part.count_params() != sum(layer.record.floats for layer in _stored(layers)):
            break
        found += layers
    if not found:
        raise ZooError(f"the backbone of {model.name} is not one of convolutions only, as a file's")
    return _stored(found)


def _stored_of_cfg(model: Any, text: str) -> list[Stored]:
    parts = {layer.name for layer in model.layers}
    graph = model.get_layer("backbone") if "backbone" in parts else model
    stored = []
    for layer in plan(text).layers:
        roles = [array.role for array in layer.in_file]
        if roles:
            found = [slot for slot in slots(graph.get_layer(layer.name)) if slot.role in roles]
            stored.append(Stored(f"layer {layer.index} [{layer.section.kind}]", found))
    return stored


def cfg_text(model: Any) -> str | None:
    """The cfg that a model was imported from, or None for a model of parts."""
    return model.cfg.get("backbone", {}).get("text")


# === In ===


def load_weights(model: Any, path: str | os.PathLike[str]) -> None:
    """Set every weight of a model from a `.weights` file of the same network.

    Args:
        model: a `zoo.detector.Detector`, or a classifier of `zoo.darknet`.
        path: the file; its length must fit the model exactly.

    Raises:
        ZooError: the file does not fit (see `zoo.darknet.file.read_weights`), or the model holds
            weights that a file has no place for. The model is then unchanged.
    """
    stored = stored_layers(model)
    what = f"{model.name} with {len(model.class_names)} classes"
    _load(stored, read_weights(path, [layer.record for layer in stored], what))
    header = read_header(path)
    model.cfg[HEADER] = {"version": list(header.version), "seen": header.seen}


def load_first_layers(model: Any, path: str | os.PathLike[str]) -> int:
    """Set the first layers of a model from a `.conv.N` file: the start of a `.weights` file.

    Args:
        model: as `load_weights`.
        path: the file; it must end where a layer ends.

    Returns:
        How many layers with weights were set, in Darknet's order; the others stay as they are.

    Raises:
        ZooError: the file ends within a layer, or is no `.weights` file.
    """
    stored = first_layers(model)
    records = [layer.record for layer in stored]
    count = whole_layers(path, records, model.name)
    _load(stored[:count], read_weights(path, records[:count], f"the start of {model.name}"))
    return count


def _load(stored: Sequence[Stored], arrays: Sequence[Sequence[np.ndarray]]) -> None:
    # All was read and checked before the first weight is set.
    for layer, values in zip(stored, arrays, strict=True):
        for slot, value in zip(layer.slots, values, strict=True):
            slot.load(value)


def is_weights(path: str | os.PathLike[str]) -> bool:
    """Whether a name is that of a `.weights` or a `.conv.N` file."""
    return Path(path).suffix == ".weights" or bool(FIRST_LAYERS.search(str(path)))


def initialise(model: Any, path: str | os.PathLike[str]) -> str:
    """Load a `.weights` file whole, or the first layers from a `.conv.N` file.

    Returns:
        What was loaded, in words.

    Raises:
        ZooError: the file does not fit.
    """
    if not FIRST_LAYERS.search(str(path)):
        load_weights(model, path)
        return "all weights loaded"
    total = len(first_layers(model))
    return f"loaded the first {load_first_layers(model, path)} of {total} layers with weights"


# === Out ===


def save_weights(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a `.weights` file that Darknet reads with the cfg of the same network.

    Version and images seen are those of the file that the weights came from, or 0.2.5 and 0.

    Args:
        model: as `load_weights`.
        path: what is written, whole or not at all.

    Raises:
        ZooError: the model is no Darknet network, or the file cannot be written.
    """
    known = model.cfg.get(HEADER)
    header = Header(tuple(known["version"]), known["seen"]) if known else Header()
    stored = stored_layers(model)
    write_weights(path, header, (slot.array() for layer in stored for slot in layer.slots))
