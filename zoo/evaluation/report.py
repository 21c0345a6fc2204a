"""Scores for people to read."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table


def print_metrics(metrics: Mapping[str, float], *, title: str) -> None:
    """A table of the COCO numbers on standard output."""
    table = Table(title=title)
    table.add_column("metric")
    table.add_column("value", justify="right")
    for name, value in metrics.items():
        table.add_row(name, "–" if value < 0 else f"{value:.4f}")
    Console().print(table)
