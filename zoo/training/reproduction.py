"""A run made again from its manifest, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.data.sources import open_source
from zoo.errors import ZooError
from zoo.training import data_record, environment
from zoo.training.comparison import changes
from zoo.training.manifest import read_manifest


def config_again(
    manifest: Mapping[str, Any], directory: Path, *, seed: int, data_root: str | None
) -> dict[str, Any]:
    """The config of the run to make, in `directory`.

    It has no tracker, and callbacks write into the new directory.
    """
    cfg = json.loads(json.dumps(manifest["config"]))
    if data_root is not None:
        cfg["data"]["root"] = data_root
    callbacks = {
        name: {key: _moved(value, directory) for key, value in callback.items()}
        for name, callback in cfg["callbacks"].items()
    }
    tracker = {"name": "none"}
    return {**cfg, "seed": seed, "tracker": tracker, "callbacks": callbacks, "resume": "auto"}


def _moved(value: Any, directory: Path) -> Any:
    if isinstance(value, str) and Path(value).is_absolute():
        return str(directory / Path(value).name)
    return value


def environment_changes(manifest: Mapping[str, Any]) -> list[str]:
    """What is different here from where the run was made, a line each.

    Of a run that went on elsewhere it has also what had changed there.
    """
    changed = environment.environment_changes(manifest["environment"], environment.environment())
    if (backend := os.environ.get("KERAS_BACKEND", manifest["backend"])) != manifest["backend"]:
        changed.append(f"backend: {manifest['backend']} → {backend}")
    return changed + [
        f"from batch {part['step']} on the run itself had {line}"
        for part in manifest["resumed"]
        for line in part.get("changed", ())
    ]


def data_changes(path: Path, manifest: Mapping[str, Any], data: Mapping[str, Any]) -> list[str]:
    """What is different in the data, images by their ids.

    Args:
        path: of the run or its manifest; data.json lies there.
        manifest: of the run.
        data: config of the data.

    Raises:
        ZooError: the data are not there.
    """
    sources = {split: open_source(data, split) for split in ("train", "val")}
    now = {split: data_record.image_digests(source) for split, source in sources.items()}
    names = {"class_names": list(sources["train"].class_names)}
    found = changes({"class_names": manifest["data"]["class_names"]}, names)
    with contextlib.suppress(OSError, ValueError):
        folder = path if path.is_dir() else path.parent
        before = json.loads((folder / data_record.FILE).read_text())
        return found + data_record.changes(before, now)
    for split, source in sources.items():
        summary = data_record.summary(source, now[split])
        found += changes({split: manifest["data"][split]}, {split: summary})
    return found


def run_again(cfg: Mapping[str, Any], directory: Path, backend: str) -> dict[str, Any]:
    """Train in a new process, and the manifest of that run.

    A run that is in `directory` already, finished or not, is gone on with.

    Raises:
        ZooError: it failed.
    """
    os.environ.setdefault("KERAS_BACKEND", backend)
    process = multiprocessing.get_context("spawn").Process(target=_train, args=(cfg, directory))
    process.start()
    try:
        process.join()
    finally:
        process.terminate()
        process.join()
    if process.exitcode:
        raise ZooError(f"the run in {directory} ended with status {process.exitcode}; see above")
    return read_manifest(directory)


def _train(cfg: Mapping[str, Any], directory: Path) -> None:
    from zoo.training import determinism

    determinism.prepare(cfg["deterministic"])
    from zoo.training.interruption import Interrupted
    from zoo.training.run import train

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        train(cfg, directory)
    except ZooError as error:
        raise SystemExit(f"error: {error}") from error
    except Interrupted as stop:
        raise SystemExit(stop.status) from stop
