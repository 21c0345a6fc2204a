"""The files of an evaluation."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.evaluation.analysis import analyse
from zoo.evaluation.best_and_worst import empty_of_pictures, save_best_and_worst
from zoo.evaluation.run import Result
from zoo.files import replacing, write_text

PICTURES = "pictures"
#: Folder of a run for the evaluation that was made last, which need not be the best.
LATEST = "latest"


def save_evaluation(
    result: Result, directory: Path, *, settings: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write evaluation.json and the pictures of the best and worst images; others' are replaced.

    Args:
        result: of the evaluation.
        directory: of the run.
        settings: those of the evaluation, to be noted.

    Returns:
        What evaluation.json holds: `analyse`'s, with `settings` and `pictures`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    found = {"settings": dict(settings or {}), **analyse(result)}
    found["pictures"] = save_best_and_worst(result, found, directory / PICTURES)
    write_text(directory / "evaluation.json", json.dumps(found) + "\n")
    return found


def promote(latest: Path, directory: Path) -> None:
    """Make the evaluation in the folder `latest` that of the run, as when its scores are best.

    Pictures of the one before do not stay.

    Args:
        latest: where `save_evaluation` has written.
        directory: of the run.
    """
    empty_of_pictures(directory / PICTURES)
    shutil.copytree(latest / PICTURES, directory / PICTURES, dirs_exist_ok=True)
    with replacing(directory / "evaluation.json") as file:
        shutil.copyfile(latest / "evaluation.json", file)
