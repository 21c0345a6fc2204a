"""The history of a run as a table: `callbacks=csv`."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import keras

from zoo.files import write_text


class CsvHistory(keras.callbacks.Callback):
    """A row an epoch, under columns that are known when the run begins.

    They are `epoch` (counted from 0, as Keras' CSVLogger does, which takes for its columns what the
    first epoch has that it sees), the loss and its parts, and as `val_…` the scores of the task;
    what an epoch has not measured is empty. The file is whole at any moment, and a run that goes on
    drops the rows of the epochs that it does again.

    `params` have the `steps` of an epoch, the batches `done` before and the names of the `scores`.

    Args:
        filename: of the table; another one there is replaced when a run begins.
    """

    def __init__(self, filename: str):
        super().__init__()
        self.path = Path(filename)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Cut the table back to the epochs before the one that the run goes on in."""
        measured = [metric.name for metric in self.model.metrics]
        self.columns = ["epoch", *measured, *(f"val_{name}" for name in self.params["scores"])]
        # With all batches of an epoch done its evaluation is yet to come.
        under_way = -(-self.params["done"] // self.params["steps"]) - 1
        self._write(self._rows_before(under_way))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add a row."""
        measured = {key: float((logs or {})[key]) for key in self.columns if key in (logs or {})}
        self._write([*self._rows_before(epoch), {"epoch": epoch, **measured}])

    def _rows_before(self, epoch: int) -> list[dict[str, Any]]:
        if epoch < 0 or not self.path.is_file():
            return []
        with open(self.path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return [row for row in rows if row.get("epoch", "").isdigit() and int(row["epoch"]) < epoch]

    def _write(self, rows: list[dict[str, Any]]) -> None:
        text = io.StringIO()
        table = csv.DictWriter(text, self.columns, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        write_text(self.path, text.getvalue())
