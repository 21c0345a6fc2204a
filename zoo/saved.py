"""Detectors in files: `.keras` archives and run directories."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

import keras

from zoo.classifier import BackboneClassifier
from zoo.darknet.classifier import Classifier
from zoo.detector import Detector
from zoo.errors import ZooError
from zoo.files import exporting
from zoo.registry import KINDS
from zoo.runs import checkpoint


def load_saved(path: Path, *, compile: bool = False) -> Any:
    """The detector of a `.keras` file, or the best one of a run directory.

    A `.keras` file of a Darknet classifier gives a `zoo.darknet.classifier.Classifier`,
    that of a backbone trained alone a `zoo.classifier.BackboneClassifier`.

    Args:
        path: the file or the directory.
        compile: whether the optimizer comes along, and its state.

    Raises:
        ZooError: nothing is there, it is not a detector, or a plugin that it needs is absent.
    """
    path = checkpoint(path)
    if path.suffix == ".keras" and path.is_file() and not is_zipfile(path):
        raise ZooError(f"{path} is not a detector saved by zoo: it is damaged or cut short")
    try:
        detector = keras.saving.load_model(path, compile=compile)
    except (ValueError, OSError, KeyError, TypeError, BadZipFile) as error:
        _check_plugins(path, error)
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ZooError(f"{path} is not a detector saved by zoo: {reason}") from error
    if not isinstance(detector, Detector | Classifier | BackboneClassifier):
        raise ZooError(
            f"{path} holds a {type(detector).__name__}, not a zoo detector; import zoo.detector, "
            "and keras.saving.load_model loads it"
        )
    return detector


def _check_plugins(path: Path, error: Exception) -> None:
    """Refuse a file that does not load because nobody provides one of its parts.

    Raises:
        ZooError: names the part.
    """
    try:
        with ZipFile(path) as archive:
            cfg = json.loads(archive.read("config.json"))["config"]["model"]
        needed = {kind: part["name"] for kind, part in cfg.items() if kind in KINDS}
        if found := re.search(r"\bno (\w+) '([^']+)'", str(error)):  # a layer within a part
            needed |= {found[1]: found[2]} if found[1] in KINDS else {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, BadZipFile):
        return  # no detector's: there is a better reason
    for kind, name in needed.items():
        if name not in KINDS[kind]:
            raise ZooError(
                f"{path} needs {kind} {name!r}, which no installed package provides; install its "
                "plugin"
            )


def save(model: keras.Model, path: Path) -> None:
    """Write a `.keras` file, whole or not at all.

    Raises:
        ZooError: it cannot be written.
    """
    with exporting(path) as file, tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "model.keras"
        model.save(archive)
        with archive.open("rb") as source:
            shutil.copyfileobj(source, file)
