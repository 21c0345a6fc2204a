"""Checkpoints on disk: arrays and facts in one `.npz`, whose name has its step and its SHA-256.

A name says all that is needed to trust a file, so that one rename commits it. NumPy reads it
without pickle: `numpy.load(file, allow_pickle=False)`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import ZooError
from zoo.files import UNFINISHED, commit, file_sha256, unfinished

log = logging.getLogger(__name__)

VERSION = 1
#: Of the checkpoints in a run directory.
FOLDER = "checkpoints"
#: step-000001234-<the first 16 digits of the SHA-256 of the file>.npz
NAME = re.compile(r"step-(\d{9,})-([0-9a-f]{16})\.npz")
FACTS = "facts.json"


@dataclass(frozen=True)
class Checkpoint:
    """What a training needs to go on.

    Attributes:
        step: batches trained on.
        arrays: by name.
        facts: the rest, JSON-able.
    """

    step: int
    arrays: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint, *, keep: int) -> Path:
    """Write a checkpoint, then remove all but the newest `keep`, at least one.

    Raises:
        OSError: it could not be written; those that were there are as they were.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts = json.dumps({"version": VERSION, **checkpoint.facts}).encode()
    with unfinished(folder / "step.npz") as written:
        with open(written, "wb") as file:
            np.savez(file, **{FACTS: np.frombuffer(facts, np.uint8)}, **checkpoint.arrays)  # type: ignore[arg-type]
        path = folder / f"step-{checkpoint.step:09d}-{file_sha256(written)[:16]}.npz"
        commit(written, path)
    _prune(folder, keep)
    return path


class Damaged(ZooError):
    """A file that is not what was written."""


def load_newest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole, or None where there is none at all.

    A damaged one is named in a warning, and the one before it is taken.

    Raises:
        ZooError: there are checkpoints, and all are damaged; or the newest that is whole cannot be
            read, or is of another version of zoo, and stays as it is.
    """
    paths = checkpoints(folder)
    for path in reversed(paths):
        try:
            return load_checkpoint(path)
        except Damaged as error:
            log.warning("%s; going back to the checkpoint before it", error)
            with contextlib.suppress(OSError):  # out of the way of those to come
                path.rename(path.with_name(f"damaged-{path.name}"))
        except ZooError as error:
            # Of processes that go on together another one was first to put it out of the way.
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
    if paths:
        raise ZooError(f"all {len(paths)} checkpoints in {folder} are damaged; start a new run")
    return None


def load_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint, its SHA-256 compared with the one in its name before anything is read.

    Raises:
        Damaged: its bytes are not those that were written.
        ZooError: it is no checkpoint, cannot be read, or is of another version of zoo.
    """
    name = NAME.fullmatch(path.name)
    if name is None:
        raise ZooError(f"{path} is no checkpoint: its name is not step-STEP-SHA256.npz")
    try:
        if not file_sha256(path).startswith(name[2]):
            raise Damaged(f"checkpoint {path} is damaged: its SHA-256 is not that of its name")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except OSError as error:
        raise ZooError(
            f"checkpoint {path} cannot be read: {error.strerror}; delete it to go on from the one "
            "before it"
        ) from error
    facts = json.loads(arrays.pop(FACTS).tobytes())
    if facts["version"] != VERSION:
        raise ZooError(
            f"checkpoint {path} has version {facts['version']}, not {VERSION}; go on with the zoo "
            "that wrote it"
        )
    return Checkpoint(int(name[1]), arrays, facts)


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a folder, the oldest first."""
    found = [path for path in folder.glob("step-*.npz") if NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: (_step(path), path.stat().st_mtime_ns))


def _step(path: Path) -> int:
    return int(path.name.split("-")[1])


def _prune(folder: Path, keep: int) -> None:
    for path in checkpoints(folder)[: -max(keep, 1)]:
        path.unlink()
    for path in folder.glob(f"{UNFINISHED}*"):
        path.unlink()
