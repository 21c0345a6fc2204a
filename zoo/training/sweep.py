"""One readable table for a multirun."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

#: Columns after the overrides.
METRICS = ("AP", "AP50", "AP75")


class SweepTable(Callback):
    """When all jobs are done, prints their overrides and scores and writes sweep.csv."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Read what the jobs left, the best first."""
        directory = Path(config.hydra.sweep.dir)
        rows = sweep_rows(directory)
        if not rows:
            return
        columns = list(dict.fromkeys(key for row in rows for key in row))
        with open(directory / "sweep.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        table = Table(title=f"sweep in {directory}")
        for column in columns:
            table.add_column(column, justify="right" if column in METRICS else "left")
        for row in rows:
            table.add_row(*(_text(row.get(column, "")) for column in columns))
        Console().print(table)


def sweep_rows(directory: Path) -> list[dict[str, Any]]:
    """For each job of a sweep directory its number, its overrides and its scores, best AP first.

    A job without metrics.json has the status "failed".
    """
    rows = []
    for file in directory.glob("*/.hydra/overrides.yaml"):
        job = file.parent.parent
        lines = [str(line) for line in OmegaConf.load(file)]
        overrides = {key: value for key, _, value in (line.partition("=") for line in lines)}
        metrics = job / "metrics.json"
        scores = json.loads(metrics.read_text()) if metrics.is_file() else {}
        status = "done" if scores else "failed"
        scores = {key: scores[key] for key in METRICS if key in scores}
        rows.append({"job": job.name, **overrides, "status": status, **scores})
    shared = _same_everywhere(rows)
    rows = [{key: value for key, value in row.items() if key not in shared} for row in rows]
    return sorted(rows, key=lambda row: -row.get("AP", -1))


def _same_everywhere(rows: list[dict[str, Any]]) -> set[str]:
    """Overrides that all jobs share say nothing about their differences."""
    fixed = {"job", "status", *METRICS}
    keys = {key for row in rows for key in row} - fixed
    return {key for key in keys if len(rows) > 1 and len({row.get(key) for row in rows}) == 1}


def _text(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
