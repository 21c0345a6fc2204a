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
from zoo.training.manifest import FILE as MANIFEST

#: In the directory of a job that failed: its overrides and why.
FAILED = "failed.json"
#: The same in a directory that holds the run of another job, or a finished one, which stays valid.
REFUSED = "refused.json"
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
        if (failure := _read(directory / FAILED)) and failure["overrides"] == _overrides(hydra):
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
        directory = Path(hydra.runtime.output_dir)
        run = _read(directory / MANIFEST) or {}
        other = run.get("overrides", facts["overrides"]) != facts["overrides"]
        name = REFUSED if other or run.get("status") == "finished" else FAILED
        write_text(directory / name, json.dumps(facts, indent=2) + "\n")


def _read(file: Path) -> dict[str, Any] | None:
    """A JSON file; None where it is not, or is damaged."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        return json.loads(file.read_text())
    return None


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
            for name in (FAILED, REFUSED):
                (Path(config.hydra.runtime.output_dir) / name).unlink(missing_ok=True)
            return
        try:
            job_return.return_value  # noqa: B018 — raises what the job raised
        except Exception as error:
            note_failure(config.hydra, error)
        job_return.status, job_return.return_value = JobStatus.COMPLETED, None

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Conclude, with an exit status."""
        atexit.unregister(self.conclude)
        rows = self.conclude()
        if not rows or any(row["status"] != "done" for row in rows):
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
    "done", "failed", or "unfinished" where the sweep was stopped in the job. A folder that holds
    the run of an earlier sweep has a row for that, and one for the job that was refused there.
    """
    rows = []
    for job in _jobs(directory):
        name, own, refused = str(job.relative_to(directory)), _own(job), _read(job / REFUSED)
        rows.append({"job": name, **_pairs(own), **_outcome(job, own)})
        if refused:
            rows.append({"job": name, **_pairs(refused["overrides"]), **_failed(refused)})
    shared = _same_everywhere(rows)
    rows = [{key: value for key, value in row.items() if key not in shared} for row in rows]
    return sorted(rows, key=lambda row: (-_headline(row), len(row["job"]), row["job"]))


def _jobs(directory: Path) -> list[Path]:
    """The folders of jobs, at any depth.

    `hydra.sweep.subdir` may have slashes, and so has the name of a config group; with
    `hydra.output_subdir=null` Hydra leaves nothing of its own.
    """
    found = {file.parent.parent for file in directory.rglob(".hydra/overrides.yaml")}
    for name in (FAILED, REFUSED, MANIFEST):
        found |= {file.parent for file in directory.rglob(name)}
    found.discard(directory)
    return sorted(job for job in found if found.isdisjoint(job.parents))


def _own(job: Path) -> list[str]:
    """Overrides with which the run in a folder began; Hydra keeps those of the last job there."""
    if "overrides" in (run := _read(job / MANIFEST) or {}):
        return run["overrides"]
    if (job / REFUSED).is_file():  # an older run, which does not say what it was
        return []
    if (file := job / ".hydra" / "overrides.yaml").is_file():
        return [str(line) for line in OmegaConf.load(file)]
    return (_read(job / FAILED) or {}).get("overrides", [])


def _pairs(overrides: list[str]) -> dict[str, str]:
    return {key: value for key, _, value in (line.partition("=") for line in overrides)}


def _headline(row: dict[str, Any]) -> float:
    return row.get("AP", row.get("top1", -1))


def _outcome(job: Path, overrides: list[str]) -> dict[str, Any]:
    failure = _read(job / FAILED)
    if failure and failure.get("overrides", overrides) == overrides:
        return _failed(failure)
    if not (metrics := job / "metrics.json").is_file():
        return {"status": "unfinished"}
    scores = json.loads(metrics.read_text())
    return {"status": "done", **{key: scores[key] for key in METRICS if key in scores}}


def _failed(failure: dict[str, Any]) -> dict[str, Any]:
    return {"status": "failed", "error": " ".join(failure["error"].split())}


def _same_everywhere(rows: list[dict[str, Any]]) -> set[str]:
    """Overrides that all jobs share say nothing about their differences."""
    fixed = {"job", "status", "error", *METRICS}
    keys = {key for row in rows for key in row} - fixed
    return {key for key in keys if len({row.get(key) for row in rows}) == 1}


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    # What a sampler drew has more digits than a table has room for.
    return f"{float(value):.4g}" if re.fullmatch(r"\d\.\d{5,}(e-\d+)?", value) else value
