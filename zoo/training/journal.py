"""`metrics.jsonl`: the history of a run, one line a record, nothing lost and nothing twice."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras

from zoo.training.rate import rate_of

log = logging.getLogger(__name__)

FILE = "metrics.jsonl"


class Journal(keras.callbacks.Callback):
    """A line after every n batches and after every epoch.

    A line has `step` (batches trained on), `epoch` (counted from 1), `learning_rate` (of the last
    batch), the means of the loss and its parts since the epoch began, and after an epoch the
    scores of its evaluation. No times: the history of a run is the same bytes each time.

    Args:
        directory: of the run.
        every: batches between two lines within an epoch.
        step: batches trained on already.
    """

    def __init__(self, directory: Path, *, every: int, step: int = 0):
        super().__init__()
        self.path, self.every, self.step = directory / FILE, every, step
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note which epoch it is."""
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """A line when it is time."""
        self.step += 1
        if self.step % self.every == 0:
            self._write({"learning_rate": self._rate(), **(logs or {})})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """A line with `epoch_end` true."""
        self._write({"epoch_end": True, "learning_rate": self._rate(), **(logs or {})})

    def _rate(self) -> float:
        return rate_of(self.model.optimizer, self.step)

    def _write(self, record: Mapping[str, Any]) -> None:
        numbers = {key: value if value is True else float(value) for key, value in record.items()}
        line = json.dumps({"step": self.step, "epoch": self.epoch, **numbers})
        with open(self.path, "a", buffering=1) as file:
            file.write(line + "\n")


def appended(callbacks: Mapping[str, Any], directory: Path) -> set[str]:
    """Names of the files in `directory` that a run appends to; all others there are not its own.

    Args:
        callbacks: `callbacks` of the config.
        directory: of the run.
    """
    paths = [
        Path(callback["filename"])
        for callback in callbacks.values()
        if callback.get("_target_") == "keras.callbacks.CSVLogger" and "filename" in callback
    ]
    return {FILE, *(path.name for path in paths if path.parent.resolve() == directory.resolve())}


def sizes(directory: Path, names: Iterable[str]) -> dict[str, int]:
    """The bytes of those of these files that are there, on the disk by now."""
    found = {}
    for name in sorted(names):
        with contextlib.suppress(FileNotFoundError), open(directory / name, "r+b") as file:
            os.fsync(file.fileno())  # for which Windows wants it writable
            found[name] = os.fstat(file.fileno()).st_size
    return found


def cut_back(directory: Path, saved: Mapping[str, int]) -> None:
    """Bring the files that a run appends to back to their sizes at a checkpoint, 0 at its start."""
    for name, size in saved.items():
        path = directory / name
        found = path.stat().st_size if path.is_file() else 0
        if found < size:
            log.warning("%s has %d bytes, %d at the checkpoint: lines are lost", path, found, size)
        elif found > size:
            os.truncate(path, size)
