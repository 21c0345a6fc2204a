"""Multiruns: a table of the jobs, jobs that fail without the others, and going on after a kill.

The same command again in the same `hydra.sweep.dir` runs only what is missing: the jobs have the
same numbers and overrides as before, finished and failed ones answer from their directories, and
one that was under way goes on from its checkpoint. So does an Optuna study with a seeded sampler:
told the same scores in the same order, it asks for the same jobs.
"""

from __future__ import annotations

import atexit
import contextlib
import csv
import json
import os
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from zoo.command import is_job_of_sweep
from zoo.console import plain_console, table
from zoo.download import alone
from zoo.errors import ZooError
from zoo.files import write_text

#: In the directory of a job that failed: its overrides and why.
FAILED = "failed.json"
#: The record of an Optuna study, written anew from the jobs at each start.
STUDY = "study.db"
#: Columns after the overrides: scores of detectors, then of classifiers.
METRICS = ("AP", "AP50", "AP75", "top1", "top5")


class FailedBefore(ZooError):
    """A job failed when the sweep was started before, and is not tried again."""


# === Jobs ===


@contextlib.contextmanager
def turn(hydra: Any) -> Iterator[None]:
    """Around the work of a job: waits for another process in its directory. Nothing else sweeps.

    Args:
        hydra: the `hydra` part of the config.

    Raises:
        FailedBefore: the job failed already.
    """
    if not is_job_of_sweep(hydra):
        yield
        return
    directory = Path(hydra.runtime.output_dir)
    # When a sweep is killed, a launcher's worker may still finish its job.
    with alone(directory / "lock"):
        if (failure := _failure(directory)) and failure["overrides"] == _overrides(hydra):
            raise FailedBefore(
                f"failed before: {failure['error']}; delete {directory / FAILED} to try again"
            )
        yield


def note_failure(hydra: Any, error: Exception) -> None:
    """Say that a job failed, and write it into its directory."""
    crash = "" if isinstance(error, ZooError) else "".join(traceback.format_exception(error))
    print(f"error: job {hydra.job.num}: {crash or error}", file=sys.stderr)
    if not isinstance(error, FailedBefore):
        kind = f"{type(error).__name__}: " if crash else ""
        facts = {"overrides": _overrides(hydra), "error": f"{kind}{error}", "traceback": crash}
        write_text(Path(hydra.runtime.output_dir) / FAILED, json.dumps(facts, indent=2) + "\n")


def _failure(directory: Path) -> dict[str, Any] | None:
    file = directory / FAILED
    return json.loads(file.read_text()) if file.is_file() else None


def _overrides(hydra: Any) -> list[str]:
    return [str(line) for line in hydra.overrides.task]


# === The sweep ===


class Sweep(Callback):
    """Keeps a sweep going when jobs fail; at its end prints a table and writes sweep.csv.

    The exit status is 1 if a job has no result.
    """

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Make the directory, and see to the table however the sweep ends."""
        self.directory = Path(config.hydra.sweep.dir)
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / STUDY).unlink(missing_ok=True)
        atexit.register(self.conclude)

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Put the runs of a sweep into one group of W&B, unless the user names another."""
        if is_job_of_sweep(config.hydra):
            os.environ.setdefault("WANDB_RUN_GROUP", str(config.hydra.sweep.dir))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Give a failed job no score instead of its error, at which Hydra's sweeper would stop."""
        if not is_job_of_sweep(config.hydra):
            return
        if job_return.status is JobStatus.COMPLETED:
            (Path(config.hydra.runtime.output_dir) / FAILED).unlink(missing_ok=True)
            return
        try:
            job_return.return_value  # noqa: B018 — raises what the job raised
        except Exception as error:
            note_failure(config.hydra, error)
        job_return.status, job_return.return_value = JobStatus.COMPLETED, None

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Conclude, with an exit status."""
        atexit.unregister(self.conclude)
        if any(row["status"] != "done" for row in self.conclude()):
            raise SystemExit(1)

    def conclude(self) -> list[dict[str, Any]]:
        """Print what the jobs left, the best first, and write it to sweep.csv."""
        rows = sweep_rows(self.directory)
        if not rows:
            return rows
        columns = list(dict.fromkeys(key for row in rows for key in row))
        with open(self.directory / "sweep.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        shown = table(
            columns,
            [[_text(row.get(column, "")) for column in columns] for row in rows],
            title=f"sweep in {self.directory}",
            words=[column for column in columns if column not in METRICS],
        )
        plain_console().print(shown)
        return rows


def sweep_rows(directory: Path) -> list[dict[str, Any]]:
    """For each job its folder, overrides, status, and scores or error; best AP, or top-1, first.

    The folder is relative to `directory`, by default the number of the job. The status is
    "done", "failed", or "unfinished" where the sweep was stopped in the job.
    """
    rows = []
    # At any depth: `hydra.sweep.subdir` may have slashes, and so has the name of a config group.
    for file in directory.rglob(".hydra/overrides.yaml"):
        job = file.parent.parent
        lines = [str(line) for line in OmegaConf.load(file)]
        overrides = {key: value for key, _, value in (line.partition("=") for line in lines)}
        rows.append({"job": str(job.relative_to(directory)), **overrides, **_outcome(job)})
    shared = _same_everywhere(rows)
    rows = [{key: value for key, value in row.items() if key not in shared} for row in rows]
    return sorted(rows, key=lambda row: (-_headline(row), len(row["job"]), row["job"]))


def _headline(row: dict[str, Any]) -> float:
    return row.get("AP", row.get("top1", -1))


def _outcome(job: Path) -> dict[str, Any]:
    if failure := _failure(job):
        return {"status": "failed", "error": " ".join(failure["error"].split())}
    if not (metrics := job / "metrics.json").is_file():
        return {"status": "unfinished"}
    scores = json.loads(metrics.read_text())
    return {"status": "done", **{key: scores[key] for key in METRICS if key in scores}}


def _same_everywhere(rows: list[dict[str, Any]]) -> set[str]:
    """Overrides that all jobs share say nothing about their differences."""
    fixed = {"job", "status", "error", *METRICS}
    keys = {key for row in rows for key in row} - fixed
    return {key for key in keys if len(rows) > 1 and len({row.get(key) for row in rows}) == 1}


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    # What a sampler drew has more digits than a table has room for.
    return f"{float(value):.4g}" if re.fullmatch(r"\d\.\d{5,}(e-\d+)?", value) else value
