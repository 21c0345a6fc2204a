"""Curves of a training run, from metrics.jsonl or history.csv."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from zoo.report.charts import Series, lines
from zoo.report.html import columns, figure, section, table

SCORES = {
    "val_AP": "AP", "val_AP50": "AP50", "val_AP75": "AP75", "val_top1": "top-1",
    "val_top5": "top-5",
}  # fmt: skip
#: More points than this on a curve nobody sees.
POINTS = 600


def section_of(directory: Path) -> str:
    """Losses, scores and learning rate over the batches."""
    records = read(directory)
    x = "step" if any("step" in record for record in records) else "epoch"
    charts = [
        (_series(records, x, _losses(records)), "Loss, mean since the start of the epoch."),
        (_series(records, x, SCORES), "Scores on the validation split."),
        (_series(records, x, {"learning_rate": "learning rate"}), "Learning rate."),
    ]
    shown = [_chart(series, x, caption) for series, caption in charts if series]
    return section("Training", columns(*shown), anchor="training")


def _losses(records: list[dict[str, Any]]) -> dict[str, str]:
    """Keys and labels of the loss and of its parts, which a loss names."""
    keys = dict.fromkeys(key for record in records for key in record if key.endswith("_loss"))
    return {"loss": "total"} | {key: key.removesuffix("_loss") for key in keys}


def _chart(series: dict[str, Series], x: str, caption: str) -> str:
    """Curves; of a single point there is none, so its numbers are said."""
    if any(len(xs) > 1 for xs, _ in series.values()):
        return figure(lines(series, x=x, whole=True), caption)
    rows = [[label, f"{ys[0]:.3g}"] for label, (_, ys) in series.items()]
    ((at, *_), _) = next(iter(series.values()))
    return figure(table(["", f"at {x} {at:g}, the only one"], rows), caption)


def read(directory: Path) -> list[dict[str, Any]]:
    """Records of a run in order; a last line that a kill has cut is left out."""
    if (file := directory / "metrics.jsonl").is_file():
        found = []
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except json.JSONDecodeError:
                continue
        return found
    if (file := directory / "history.csv").is_file():
        with open(file, encoding="utf-8", newline="") as rows:
            return [
                {key: float(value) for key, value in row.items() if _is_number(value)}
                for row in csv.DictReader(rows)
            ]
    return []


def _series(records: list[dict[str, Any]], x: str, names: dict[str, str]) -> dict[str, Series]:
    series: dict[str, Series] = {}
    for key, label in names.items():
        points = [(row[x], row[key]) for row in records if key in row and x in row]
        if points:
            points = points[:: max(1, len(points) // POINTS)]
            xs, ys = zip(*points, strict=True)
            series[label] = (xs, ys)
    return series


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
