"""Ours and a reference's forward pass, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from rich.progress import track

from zoo.darknet.plan import Layer, Plan
from zoo.verification.alignment import operations
from zoo.verification.architecture import flops
from zoo.verification.graph import Graph, Run, node_of
from zoo.verification.inputs import Input
from zoo.verification.reference import (
    AGREES,
    DIFFERS,
    UNKNOWN,
    Difference,
    Reference,
    Tolerances,
    difference,
)


@dataclass(frozen=True)
class Row:
    """One Darknet layer.

    Attributes:
        index: Darknet's number of it.
        type: its kind of section.
        layer: what gives the output in our model.
        shape: of the output: height, width, channels.
        parameters: of the cfg, moving statistics included.
        flops: of the cfg, multiplications and additions.
        max_abs_error: the largest difference of two numbers; for [yolo] of the sides of its boxes,
            relative to the network input or to the box if that is larger.
        relative_error: the same over the reference's largest magnitude.
        tolerance: what `relative_error` may be; for [yolo], `max_abs_error`.
        verdict: `"agrees"`, `"differs"` or `"not compared"`.
        note: what else there is to say.
    """

    index: int
    type: str
    layer: str
    shape: tuple[int, ...]
    parameters: int
    flops: int
    max_abs_error: float | None
    relative_error: float | None
    tolerance: float
    verdict: str
    note: str = ""

    @property
    def error(self) -> float | None:
        """What `tolerance` bounds."""
        return self.max_abs_error if self.type == "yolo" else self.relative_error


def compare_layers(
    detector: Any,
    plan: Plan,
    graph: Graph,
    tensors: Sequence[Any | None],
    reference: Reference,
    picture: Input,
    *,
    progress: bool = False,
) -> list[Row]:
    """Run ours layer by layer, compare each output and drop it.

    Args:
        detector: the model.
        plan: the cfg, at the size of the input.
        graph: the model's operations.
        tensors: of each Darknet layer, from `zoo.verification.alignment.align`.
        reference: what it is compared with.
        picture: what goes in.
        progress: show a bar.
    """
    run = Run(graph, picture.network[None], [tensor for tensor in tensors if tensor is not None])
    raw: list[Any] = []
    rows: list[Row | None] = []
    ours = list(zip(plan.layers, tensors, operations(graph, tensors), strict=True))
    for layer, tensor, operation in track(ours, "comparing", disable=not progress, transient=True):
        value = None if tensor is None else run.value(tensor)[0]
        if layer.section.kind == "yolo":
            raw.append(value)
            rows.append(None)
            continue
        rows.append(_row(layer, plan, tensor, operation, value, reference))
    heads = iter(_head_rows(detector, plan.of_kind("yolo"), raw, reference))
    return [next(heads) if row is None else row for row in rows]


def _row(
    layer: Layer, plan: Plan, tensor: Any, operation: Any, value: Any, reference: Reference
) -> Row:
    tolerances = reference.tolerances
    name = "" if operation is None else operation.name
    if value is None:
        return _of(layer, name, None, tolerances.layer, UNKNOWN, "the model has no such tensor")
    if value.shape != tuple(layer.output):
        note = f"shape {value.shape} in the model"
        return _of(layer, name, None, tolerances.layer, DIFFERS, note)
    apart = reference.difference(layer.index, value)
    if apart is None:
        return _of(layer, name, None, tolerances.layer, UNKNOWN, "the reference does not give it")
    good, notes = apart.relative <= tolerances.layer, []
    if _feeds_head(layer, plan) and apart.absolute > tolerances.logit:
        good = False
        notes.append(f"more than {tolerances.logit:g} in a head's predictions")
    counted = _counted(layer, operation, tensor)
    if counted not in (None, layer.flops):
        good = False
        notes.append(f"{counted:,} FLOPs in the model")
    return _of(layer, name, apart, tolerances.layer, AGREES if good else DIFFERS, "; ".join(notes))


def _of(
    layer: Layer, name: str, apart: Difference | None, tolerance: float, verdict: str, note: str
) -> Row:
    return Row(
        index=layer.index,
        type=layer.section.kind,
        layer=name,
        shape=tuple(layer.output),
        parameters=layer.parameters,
        flops=layer.flops,
        max_abs_error=None if apart is None else apart.absolute,
        relative_error=None if apart is None else apart.relative,
        tolerance=tolerance,
        verdict=verdict,
        note=note,
    )


def _feeds_head(layer: Layer, plan: Plan) -> bool:
    following = plan.layers[layer.index + 1 : layer.index + 2]
    return any(after.section.kind == "yolo" for after in following)


def _counted(layer: Layer, operation: Any, tensor: Any) -> int | None:
    """FLOPs of ours; None for a layer that passes on what another one has computed."""
    if layer.section.kind not in ("convolutional", "maxpool", "shortcut"):
        return None
    node = node_of(tensor)
    return flops(operation, layer.output, 0 if node is None else len(node.input_tensors))


# === Heads ===


def _head_rows(
    detector: Any, layers: Sequence[Layer], raw: Sequence[Any], reference: Reference
) -> list[Row]:
    """The boxes, and scores if they are known, that ours decodes of its own predictions."""
    head = detector.head
    boxes, scores = head.decode(
        {
            level: keras.ops.convert_to_tensor(value[None])
            for level, value in zip(head.masks, raw, strict=True)
        }
    )
    xyxy, scores = (keras.ops.convert_to_numpy(tensor)[0] for tensor in (boxes, scores))
    rows, start = [], 0
    for number, layer in enumerate(layers):
        theirs, their_scores = reference.boxes(number)
        part = slice(start, start + len(theirs))
        start = part.stop
        apart = _box_difference(xyxy[part], theirs)
        known = None if their_scores is None else difference(scores[part], their_scores)
        rows.append(_head_row(layer, apart, known, reference.tolerances))
    return rows


def _head_row(
    layer: Layer, apart: Difference, scores: Difference | None, tolerances: Tolerances
) -> Row:
    good, note = apart.absolute <= tolerances.box, "boxes"
    if scores is not None:
        good = good and scores.absolute <= tolerances.score
        note = f"boxes; scores {scores.absolute:.1e}, tolerance {tolerances.score:g}"
    return _of(layer, "head", apart, tolerances.box, AGREES if good else DIFFERS, note)


def _box_difference(xyxy: np.ndarray, cxcywh: np.ndarray) -> Difference:
    """Of sides, relative to the network input; of a box larger than that, to the box."""
    centre, size = cxcywh[:, :2], cxcywh[:, 2:]
    theirs = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
    unit = np.maximum(1, size.max(axis=1, keepdims=True))
    return difference(xyxy / unit, theirs / unit)
