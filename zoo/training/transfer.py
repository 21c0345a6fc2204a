"""Weights from one detector into another, as far as they fit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo.errors import ZooError, nearest

if TYPE_CHECKING:
    from zoo.detector import Detector


@dataclass
class Transfer:
    """What was copied, and what was not and why."""

    copied: list[str] = field(default_factory=list)
    missed: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"loaded {len(self.copied)} of {len(self.copied) + len(self.missed)} arrays"]
        lines += [f"  not loaded: {path} ({reason})" for path, reason in self.missed.items()]
        return "\n".join(lines)


def transfer(target: Detector, source: Detector, parts: Sequence[str]) -> Transfer:
    """Copy the arrays of `source` whose part, path and shape are those of `target`.

    Where paths differ only in the numbers that Keras gives, the order stands for the path.

    Args:
        target: the detector to fill.
        source: the detector to take from; its classes may differ.
        parts: which of backbone, neck and head to copy.

    Raises:
        ZooError: an unknown part, or nothing fits at all.
    """
    check_parts("transfer", parts)
    report = Transfer()
    for part in parts:
        ours, theirs = (submodel(model, part, "transfer").variables for model in (target, source))
        for variable, found in _pairs(ours, theirs):
            path = f"{part}/{variable.path}"
            if found is None:
                report.missed[path] = "the source has no such array"
            elif found.shape != variable.shape:
                report.missed[path] = (
                    f"shape {tuple(variable.shape)}, the source has {tuple(found.shape)}"
                )
            else:
                variable.assign(found.value)
                report.copied.append(path)
    if not report.copied:
        raise ZooError(f"nothing of {source.name} fits {target.name} in {', '.join(parts)}")
    return report


def _pairs(ours: Sequence[Any], theirs: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Each variable of ours with that of theirs, None where there is none.

    Layers without a name are numbered by Keras over the whole process (conv2d, conv2d_1, …), so
    that the same part has other paths each time it is built: there the order tells.
    """
    by_path = {variable.path: variable for variable in theirs}
    renumbered = {variable.path for variable in ours} != by_path.keys()
    if renumbered and [_unnumbered(v) for v in ours] == [_unnumbered(v) for v in theirs]:
        return list(zip(ours, theirs, strict=True))
    return [(variable, by_path.get(variable.path)) for variable in ours]


def _unnumbered(variable: Any) -> str:
    return re.sub(r"_\d+(?=/|$)", "", variable.path)


def initialise(detector: Detector, weights: str, parts: Sequence[str]) -> Transfer | str:
    """Fill a detector from what `weights` names, as far as it fits.

    Args:
        detector: the detector to fill.
        weights: a preset, a run directory, a `.keras` file or a Darknet `.cfg`; or a Darknet
            `.weights` file of the same network, or a `.conv.N` file, the start of one.
        parts: which of backbone, neck and head to copy; a Darknet file fills what it has.

    Returns:
        What was loaded, to be printed.

    Raises:
        ZooError: there is no such thing, or nothing of it fits.
    """
    import zoo
    from zoo.darknet import weights as darknet
    from zoo.format.contract import refuse_exported

    if darknet.is_weights(weights):
        return darknet.initialise(detector, weights)
    refuse_exported("weights", weights, "arrays to copy")
    return transfer(detector, zoo.load(weights), parts)


def freeze(detector: Detector, parts: Sequence[str]) -> None:
    """Keep these parts as they are during training.

    Raises:
        ZooError: a name is not a part of the detector.
    """
    check_parts("freeze", parts)
    for part in parts:
        submodel(detector, part, "freeze").trainable = False


def check_parts(key: str, parts: Any) -> None:
    """Refuse what is no list of backbone, neck and head.

    Raises:
        ZooError: that names `key` and what to write.
    """
    from zoo.detector import PARTS

    if not isinstance(parts, list | tuple):
        raise ZooError(f"{key}={parts} is no list; write {key}=[{parts or ''}]")
    for part in parts:
        if part not in PARTS:
            raise ZooError(f"{key}: no part {part!r} of a detector; {nearest(part, PARTS)}")


def submodel(detector: Detector, part: str, key: str) -> Any:
    """The backbone, the neck or the head of a detector, as a `keras.Model`.

    Raises:
        ZooError: the detector, or classifier, lacks it; the message says to leave it out of `key`.
    """
    if part not in [layer.name for layer in detector.layers]:
        raise ZooError(f"{detector.name} has no {part}; leave it out: {key}=[backbone]")
    return detector.get_layer(part)
