"""What a tracker sees of a run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import keras

from zoo.evaluation.save import LATEST
from zoo.training.rate import rate_of
from zoo.training.tracking.media import evaluation_media


class Tracking(keras.callbacks.Callback):
    """Losses, learning rate and speed within epochs, scores and pictures of each evaluation.

    The horizontal axis is the batch, counted over the whole run, an interrupted one included: how
    many come before this start is `params["done"]`, none without it.
    Tables and pictures come from evaluation.json of the run directory or of its folder `latest`,
    whichever was written since the last epoch.

    Args:
        run: of W&B.
        directory: of the training run.
        every: batches between two points of the curves.
        batch_size: images of a batch.
    """

    def __init__(self, run: Any, directory: Path, *, every: int, batch_size: int):
        super().__init__()
        self.run, self.directory = run, directory
        self.every, self.batch_size = every, batch_size
        self.seen = time.time()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Take up the count of batches where the checkpoint is."""
        self.run.define_metric("step", hidden=True)
        self.run.define_metric("*", step_metric="step")
        self.step = self.params.get("done", 0)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the clock, which evaluations stop."""
        self._restart_clock()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """A point of the curves when it is time."""
        self.step += 1
        self.batches += 1
        if self.step % self.every == 0:
            self._log({**self._curves(logs), **self._speed()})
            self._restart_clock()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """A point of the curves, scores, and what evaluation.json tells if it is new."""
        scores = {
            f"val/{key.removeprefix('val_')}": float(value)
            for key, value in (logs or {}).items()
            if key.startswith("val_")
        }
        self._log({**self._curves(logs), "epoch": epoch + 1, **scores, **self._media()})

    def _curves(self, logs: dict[str, Any] | None) -> dict[str, float]:
        losses = {k: float(v) for k, v in (logs or {}).items() if not k.startswith("val_")}
        found = {f"train/{key}": value for key, value in losses.items()}
        return {**found, "train/learning_rate": rate_of(self.model.optimizer, self.step)}

    def _media(self) -> dict[str, Any]:
        for folder in (self.directory / LATEST, self.directory):
            file = folder / "evaluation.json"
            if file.is_file() and file.stat().st_mtime > self.seen:
                self.seen = file.stat().st_mtime
                return evaluation_media(file)
        return {}

    def _log(self, values: dict[str, Any]) -> None:
        # Not as W&B's own step: it holds a row back until the next, and refuses batches that come
        # again after an interruption.
        self.run.log({"step": self.step, **values})

    def _speed(self) -> dict[str, float]:
        """Since the clock was started; the share of waiting where the run tells it."""
        seconds = max(1e-9, time.monotonic() - self.clock)
        found = {"train/images_per_second": self.batches * self.batch_size / seconds}
        if "waits" in self.params:
            share = (self.params["waits"].seconds - self.waited) / seconds
            found["train/share_waiting_for_data"] = min(1.0, share)
        return found

    def _restart_clock(self) -> None:
        self.clock, self.batches = time.monotonic(), 0
        self.waited = self.params["waits"].seconds if "waits" in self.params else 0.0
