"""Exports that `zoo.detect` makes for itself: once for each model, size and engine, then reused."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from zoo import config
from zoo.cards import card, preset_called, weights_file
from zoo.download import cache_directory, filling
from zoo.errors import ZooError, nearest
from zoo.exported import ExportedDetector, load_exported
from zoo.files import file_sha256
from zoo.format.contract import CALIBRATED, check_precision, format_of
from zoo.registry import FORMATS
from zoo.runs import checkpoint

#: What runs a format, the fastest first (`benchmarks/inference.py`), and what writes it.
ENGINES = {
    "openvino": ("openvino",),
    "onnx": ("onnxruntime", "onnx", "tf2onnx"),
    "litert": ("ai_edge_litert",),
}
#: Options of detection that are fixed in an exported file.
INSIDE = ("image_size", "resize", "batch_size", "score_threshold", "iou_threshold")


def exported(preset: str, *, runtime: str, precision: str = "float32", **options: Any) -> Path:
    """The exported file of a model, made where the cache does not have it.

    It is known by the hash of the weights and all that goes into it, code included. Exporting runs
    in a process of its own, so that this one imports no Keras, then as later.

    Args:
        preset: as in `zoo.load`; an exported file is its own engine.
        runtime: `onnx`, `openvino`, `litert`, or `auto`, the fastest that is installed.
        precision: as in `zoo.deployment.exporting.export`.
        **options: those of `zoo.inference.detect`.

    Raises:
        ZooError: there is no such runtime, it is not installed, the export fails; the precision
            needs pictures that nobody has named, or is asked of a file that has its own.
    """
    if preset_called(preset) is None and (own := format_of(Path(preset))) is not None:
        if runtime not in ("auto", own):
            raise ZooError(f"{preset} runs on {own}, not on runtime={runtime}; leave that out")
        if precision != "float32":
            raise ZooError(f"{preset} has its own precision, not {precision}; leave that out")
        return Path(preset)
    format = _engine(runtime)
    check_precision(format, precision)
    if precision in CALIBRATED:
        raise ZooError(
            f"precision={precision} needs pictures to calibrate with: python -m zoo.export "
            f"preset={preset} format={format} precision={precision} calibration.source=FOLDER "
            "output=FILE, then preset=FILE"
        )
    settings = {key: options[key] for key in INSIDE if options.get(key) is not None}
    settings |= {"format": format, "precision": precision}
    source, digest = _weights(preset)
    key = json.dumps([_code(), str(preset), digest, settings], sort_keys=True)
    folder = cache_directory() / "exports" / hashlib.sha256(key.encode()).hexdigest()[:16]
    file = folder / f"model{FORMATS[format]().suffix}"
    if not file.exists():  # else the cache may be read-only, and weights need not be there
        with filling(folder):
            if not file.exists():  # another process was not faster
                _export(source, file, settings)
    return file


def loaded(preset: str, **options: Any) -> ExportedDetector:
    """The model of that file; what is damaged in the cache is exported once more.

    Raises:
        ZooError: as of `exported` and `zoo.exported.load_exported`.
    """
    file = exported(preset, **options)
    format = str(format_of(file))
    try:
        return load_exported(file, format)
    except ZooError as error:
        # What a user named is his; an engine that is not installed is no damage.
        if file == Path(preset) or isinstance(error.__cause__, ImportError):
            raise
    with filling(file.parent):
        shutil.rmtree(file.parent)
    return load_exported(exported(preset, **options), format)


def _engine(runtime: str) -> str:
    if runtime != "auto":
        theirs = [name for name in FORMATS.names() if FORMATS.origin(name) != "zoo"]
        if runtime not in (*ENGINES, *theirs):
            raise ZooError(
                f"no runtime {runtime!r}; {nearest(runtime, ['auto', 'keras', *ENGINES, *theirs])}"
            )
        return runtime
    for format, modules in ENGINES.items():
        if all(importlib.util.find_spec(module) for module in modules):
            return format
    raise ZooError("runtime=auto: no engine is installed; pip install 'keras-yolo-zoo[openvino]'")


@functools.cache  # once a process: it takes tens of ms
def _code() -> list[Any]:
    """What makes a model of weights: the hash of our code and of all YAML, the plugins' versions.

    All YAML, for what a preset's card comes to takes twenty times as long to compose.
    """
    digest = hashlib.sha256()
    directories = config.conf_directories()
    files = [*config.PACKAGE.rglob("*.py")]
    files += [file for directory in directories.values() for file in directory.rglob("*.yaml")]
    for file in sorted(files):
        digest.update(f"{file.name}\0".encode() + file.read_bytes())
    return [digest.hexdigest(), _plugins()]


def _plugins() -> list[tuple[str, str]]:
    """Names and versions of the distributions that have entry points of ours."""
    points = entry_points()
    groups = [group for group in points.groups if group.startswith("zoo.")]
    dists = [point.dist for group in groups for point in points.select(group=group)]
    return sorted({(dist.name, dist.version) for dist in dists if dist})


def _weights(preset: str) -> tuple[str, str]:
    """What to export, and the hash of its weights."""
    if preset_called(preset) is not None:
        return preset, card(preset)["weights"]["sha256"]
    path = checkpoint(Path(preset))
    return str(path), file_sha256(path)


def _export(source: str, file: Path, settings: dict[str, Any]) -> None:
    """Export into a folder beside the cache's, and only then give it its name."""
    from hydra.core.override_parser.types import Quote, QuotedString

    def quoted(path: Path | str) -> str:  # a path may have characters of Hydra's grammar
        return QuotedString(str(path), Quote.single).with_quotes()

    if preset_called(source) is not None:
        weights_file(card(source))  # here it shows its progress
    folder = file.parent.with_name(f"{file.parent.name}.unfinished")
    shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
    folder.mkdir()
    try:
        made = folder / "made"
        given = [f"{key}={json.dumps(value)}" for key, value in settings.items()]
        command = [sys.executable, "-m", "zoo.export", f"preset={quoted(source)}", *given]
        command += [f"output={quoted(made / file.name)}"]
        command += [f"hydra.run.dir={quoted(folder / 'run')}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ZooError(f"export for this runtime failed: {_reason(done)}")
        shutil.rmtree(file.parent, ignore_errors=True)
        made.rename(file.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """The sentence that a command ended with, else the end of its traceback, else its status."""
    told = f"\n{done.stderr.strip()}".rpartition("\nerror: ")[2].strip()
    return told[-2000:] or f"its process ended with status {done.returncode}"
