"""Where a run directory keeps its weights; imports no Keras."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import ZooError

#: What a run leaves behind, the most wanted first.
CHECKPOINTS = ("best.keras", "last.keras")


def checkpoint(path: Path) -> Path:
    """The `.keras` file that a path names: itself, or the best one of a run directory.

    Raises:
        ZooError: nothing is there.
    """
    if path.is_dir():
        found = [path / name for name in CHECKPOINTS if (path / name).is_file()]
        if not found:
            raise ZooError(f"run directory {path} has none of {', '.join(CHECKPOINTS)}")
        return found[0]
    if not path.is_file():
        raise ZooError(f"no file {path}")
    return path
