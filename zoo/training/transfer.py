"""Weights from one detector into another, as far as they fit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import ZooError, nearest
from zoo.training.class_arrays import class_arrays, with_classes_by_name

if TYPE_CHECKING:
    from zoo.detector import Detector


@dataclass
class Transfer:
    """What was copied, and what was not and why.

    Attributes:
        copied: paths of arrays.
        missed: path → reason.
        by_name: whether classes were looked for by their names, which differ or stand otherwise.
        fresh: the classes that the source does not know then.
    """

    copied: list[str] = field(default_factory=list)
    missed: dict[str, str] = field(default_factory=dict)
    by_name: bool = False
    fresh: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"loaded {len(self.copied)} of {len(self.copied) + len(self.missed)} arrays"]
        if self.by_name:
            listed = ", ".join(self.fresh[:5])
            more = f" and {len(self.fresh) - 5} more" if self.fresh[5:] else ""
            fresh = f"; fresh, as the source lacks them: {listed}{more}" if self.fresh else ""
            lines.append(f"  classes by name{fresh}")
        lines += [f"  not loaded: {path} ({reason})" for path, reason in self.missed.items()]
        return "\n".join(lines)


def transfer(target: Detector, source: Detector, parts: Sequence[str]) -> Transfer:
    """Copy the arrays of `source` whose part, path and shape are those of `target`.

    Where paths differ only in the numbers that Keras gives, the order stands for the path. Classes
    go by their names: those that the source does not know stay as they are.

    Args:
        target: the detector to fill.
        source: the detector to take from; its classes may differ. Where they are called 0, 1, …,
            as those of a Darknet cfg without names, their order stands for the names.
        parts: which of backbone, neck and head to copy.

    Raises:
        ZooError: an unknown part, or nothing fits at all.
    """
    check_parts("transfer", parts)
    report = Transfer()
    names = target.class_names, source.class_names
    others = names[0] != names[1] and names[1] != [str(n) for n in range(len(names[1]))]
    classes, their_classes = (class_arrays(m) if others else {} for m in (target, source))
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
            elif id(variable) not in classes:
                variable.assign(found.value)
                report.copied.append(path)
            elif (
                channels := _common(classes[id(variable)], their_classes.get(id(found)))
            ) is not None:
                variable.assign(with_classes_by_name(variable, found, channels, names))
                report.copied.append(path)
                report.by_name = True
                report.fresh = [name for name in names[0] if name not in names[1]]
            else:
                report.missed[path] = (
                    "the classes of the source are others or in another order, and its head does "
                    "not say which channels are theirs"
                )
    if not report.copied:
        raise ZooError(f"nothing of {source.name} fits {target.name} in {', '.join(parts)}")
    return report


def _common(channels: np.ndarray | None, others: np.ndarray | None) -> np.ndarray | None:
    """The channels of each class where both heads say the same, else None."""
    if channels is None or others is None:
        return None
    return channels if np.array_equal(channels, others) else None


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
