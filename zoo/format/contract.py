"""What every format offers."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from zoo.errors import ZooError, nearest
from zoo.registry import FORMATS

log = logging.getLogger(__name__)

Run = Callable[[Mapping[str, np.ndarray]], Mapping[str, Any]]
Metadata = dict[str, Any]
#: Precisions whose ranges come from pictures.
CALIBRATED = ("int8",)
#: What no file runs without, of `zoo.deployment.exporting.describe`.
KEYS = ("name", "class_names", "image_size", "batch_size", "resize", "precision", "nms")


class Batches(Protocol):
    """Inputs to calibrate with, as `zoo.deployment.calibration.Calibration`."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]: ...


class Format(Protocol):
    """One format of exported models.

    Attributes:
        suffix: of its files; empty for a directory.
        precisions: of weights or arithmetic that it knows, the default first.
    """

    suffix: str
    precisions: tuple[str, ...]

    def write(self, function: Any, path: Path, *, metadata: Metadata, precision: str) -> None:
        """Convert a `tf.function` of one signature, its weights constant; named outputs.

        A format that knows a precision of `CALIBRATED` takes a keyword `calibration: Batches` then.
        """

    def holds(self, path: Path) -> bool:
        """Whether a path looks like a model of this format."""

    def open(self, path: Path) -> tuple[Metadata, Run]:
        """The metadata, and named arrays → named arrays, which threads may call at once."""


@contextlib.contextmanager
def saved(function: Any) -> Iterator[str]:
    """A temporary SavedModel of a function, for converters that read one."""
    with tempfile.TemporaryDirectory() as folder:
        save(function, folder)
        yield folder


def save(function: Any, folder: str) -> None:
    """Write a SavedModel of a function; it has no assets, of which TensorFlow would tell.

    Raises:
        OSError: it cannot be written, as on a full disk.
    """
    import tensorflow as tf

    module = tf.Module()
    module.function = function
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        tf.saved_model.save(module, folder, signatures=function.get_concrete_function())
    except tf.errors.OpError as error:
        raise OSError(error.message) from error
    finally:
        logger.setLevel(level)


def need(module: str, extra: str) -> Any:
    """A module of an optional engine.

    Raises:
        ZooError: it is not installed; the extra that brings it is named.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ZooError(
            f"{module.partition('.')[0]} is not installed: pip install 'keras-yolo-zoo[{extra}]'"
        ) from error


def format_of(path: Path) -> str | None:
    """The name of the format that a path is of, None if of none.

    One of somebody else that is not to be had holds nothing, and is told.
    """
    for name in FORMATS.names():
        try:
            part = FORMATS.build({"name": name})
        except ZooError as error:
            log.warning("%s", error)
            continue
        if part.holds(path):
            return name
    return None


def refuse_exported(key: str, path: Any, purpose: str) -> None:
    """Refuse an exported file where the layers of Keras are asked for.

    Raises:
        ZooError: it is one; names the key, the file and what to give instead.
    """
    if format_of(Path(path)) is not None:
        raise ZooError(
            f"{key}={path} is exported, without the {purpose}; give the preset, run directory or "
            ".keras file that it was made from"
        )


def refuse_cfg(preset: Any) -> None:
    """Refuse a Darknet cfg where a trained model is asked for.

    Raises:
        ZooError: it is one; says how to bring its weights along.
    """
    if Path(preset).suffix == ".cfg":
        raise ZooError(
            f"preset={preset}: a .cfg alone has random weights; python -m zoo.convert cfg={preset} "
            "weights=FILE output=my.keras, then preset=my.keras"
        )


def check_precision(name: str, precision: str) -> None:
    """Refuse a precision that a format does not have.

    Raises:
        ZooError: there is no such precision; the nearest is suggested.
    """
    known = FORMATS[name]().precisions
    if precision not in known:
        raise ZooError(f"format {name} has no precision {precision!r}; {nearest(precision, known)}")


def read_metadata(path: Path, text: str | bytes) -> Metadata:
    """What was written into a file, from its JSON.

    Args:
        path: the file, for messages.
        text: the JSON.

    Raises:
        ZooError: it is no JSON of an object, or lacks one of `KEYS`.
    """
    try:
        metadata = json.loads(text)
    except ValueError as error:
        raise foreign(path) from error
    if not isinstance(metadata, dict):
        raise foreign(path)
    if missing := [key for key in KEYS if key not in metadata]:
        raise ZooError(f"{path} does not say its {', '.join(missing)}; export it again")
    return metadata


def foreign(path: Path) -> ZooError:
    """What to raise where a model has no metadata of ours."""
    return ZooError(f"{path} was not exported by zoo: it does not say its classes and sizes")
