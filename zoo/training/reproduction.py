"""A run made again from its manifest, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.data.sources import open_source
from zoo.errors import ZooError
from zoo.training import data_record, environment
from zoo.training.comparison import changes
from zoo.training.manifest import read_manifest
from zoo.training.resumption import is_finished

#: Arguments of callbacks that say where to write.
WRITTEN = ("filename", "filepath", "log_dir", "backup_dir")


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
        name: {key: _moved(key, value, directory) for key, value in callback.items()}
        for name, callback in cfg["callbacks"].items()
    }
    tracker = {"name": "none"}
    return {**cfg, "seed": seed, "tracker": tracker, "callbacks": callbacks, "resume": "auto"}


def _moved(key: str, value: Any, directory: Path) -> Any:
    if isinstance(value, str) and (key in WRITTEN or Path(value).is_absolute()):
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


def finished_before(directory: Path) -> list[str]:
    """Whether the run to make is in `directory` already, made in another environment: one line."""
    if not is_finished(directory):
        return []
    changed = environment_changes(read_manifest(directory))
    said = f"{directory} was finished in another one ({'; '.join(changed)})"
    return [f"{said}; remove it to make it again"] if changed else []


def initial_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Whether two runs of one seed began with other weights."""
    if before["seed"] != now["seed"]:
        return []
    return changes(before["initial_weights"], now["initial_weights"])


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

    A run that is in `directory` already, finished or not, is gone on with. Ctrl-C stops it as any
    training: the first saves, the second does not.

    Raises:
        ZooError: it failed.
    """
    os.environ.setdefault("KERAS_BACKEND", backend)
    process = multiprocessing.get_context("spawn").Process(target=_train, args=(cfg, directory))
    _hold_ctrl_c(True)  # the new process inherits that, until it can end in order
    process.start()
    try:
        _hold_ctrl_c(False)
        process.join()
    except KeyboardInterrupt:  # which a terminal sends to both
        process.join()
        raise
    finally:
        process.terminate()
        process.join()
    if process.exitcode:
        raise ZooError(f"the run in {directory} ended with status {process.exitcode}; see above")
    return read_manifest(directory)


def _hold_ctrl_c(held: bool) -> None:
    """Let SIGINT wait, or come again, which Windows cannot."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK if held else signal.SIG_UNBLOCK, [signal.SIGINT])


def _train(cfg: Mapping[str, Any], directory: Path) -> None:
    try:
        _hold_ctrl_c(False)
        _train_here(cfg, directory)
    except ZooError as error:
        raise SystemExit(f"error: {error}") from error
    except KeyboardInterrupt as stop:
        raise SystemExit(128 + signal.SIGINT) from stop


def _train_here(cfg: Mapping[str, Any], directory: Path) -> None:
    from zoo.training import determinism

    determinism.prepare(cfg["deterministic"])
    from zoo.training.interruption import Interrupted
    from zoo.training.run import train

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        train(cfg, directory)
    except Interrupted as stop:
        raise SystemExit(stop.status) from stop
