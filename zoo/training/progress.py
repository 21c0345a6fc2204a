"""Progress of a training run: bars on a terminal, lines in a log."""

from __future__ import annotations

import logging
import time
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from zoo.console import plain_console
from zoo.training.waiting import Waits

log = logging.getLogger(__name__)
#: Of the time of updates: who waits longer for data is told so.
MUCH_WAITING = 0.1
#: Without a terminal, time between two lines within an epoch.
QUIET_SECONDS = 30
#: In the line of an epoch: of detectors, then of classifiers.
SCORES = ("val_AP", "val_AP50", "val_top1", "val_top5")


class TrainingProgress(keras.callbacks.Callback):
    """Loss parts, images per second, the share of time spent waiting for data, the time left.

    How long `fit` waited is `params["waits"]`, see `zoo.training.waiting`; without it nothing is
    said of that.

    Args:
        epochs: of the whole run.
        steps: batches of an epoch.
        batch_size: images of a batch.
        done: batches trained on before this process.
        console: where to write; standard output by default.
    """

    def __init__(
        self,
        epochs: int,
        steps: int,
        batch_size: int,
        done: int = 0,
        console: Console | None = None,
    ):
        super().__init__()
        self.epochs, self.steps, self.batch_size = epochs, steps, batch_size
        self.console = console or plain_console(highlight=False, soft_wrap=True)
        self.before = self.done = done
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}", markup=False),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Start the bar and the clock."""
        self.bar.start()
        self.task = self.bar.add_task(
            "training", total=self.epochs * self.steps, completed=self.done, state=""
        )
        self.spent = 0.0
        self.warned = False
        self.said = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Count the time of updates only, not that of evaluation."""
        self.epoch = epoch
        self.spent_before, self.waited_before = self.spent, self._waited()
        self.clock = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move the bar, or say a line when none was said for a while."""
        now = time.monotonic()
        self.spent += now - self.clock
        self.clock = now
        self.done += 1
        state = f"{_losses(logs or {})}  {self._rate():.1f} images/s"
        self.bar.update(
            self.task,
            completed=self.done,
            description=f"epoch {self.epoch + 1}/{self.epochs}",
            state=state,
        )
        if not self.console.is_terminal and now - self.said > QUIET_SECONDS:
            self.said = now
            step = (self.done - 1) % self.steps + 1
            self.console.print(f"epoch {self.epoch + 1} step {step}/{self.steps}  {state}")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """One line for the epoch, with its evaluation if there was one."""
        logs = logs or {}
        left = (self.epochs * self.steps - self.done) * self.spent / max(self._here(), 1)
        scores = "".join(f"  {key} {_score(logs[key])}" for key in SCORES if key in logs)
        # The end of an epoch may be all that this process has to do with it.
        speed = f"  {self._rate():.1f} images/s  {self._waiting()}{_clock(left)} left"
        self.bar.console.print(
            f"epoch {epoch + 1}/{self.epochs}  {_losses(logs)}{scores}{speed * bool(self._here())}"
        )
        self.said = time.monotonic()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Close the bar."""
        self.close()

    def close(self) -> None:
        """Give the terminal back, however training ends."""
        if self.bar.live.is_started:
            self.bar.stop()

    def _waiting(self) -> str:
        """How much of the epoch's time `fit` waited for batches."""
        spent = self.spent - self.spent_before
        if "waits" not in self.params or not spent:
            return ""
        share = min(1.0, (self._waited() - self.waited_before) / spent)
        if share > MUCH_WAITING and not self.warned:
            self.warned = True
            log.warning(
                "the data, not the model, limit the speed: updates wait for them %.0f %% of the "
                "time; python -m zoo.benchmark with the same keys says which stage takes how long",
                100 * share,
            )
        return f"waited for data {100 * share:.0f} %  "

    def _waited(self) -> float:
        return self.params.get("waits", Waits()).seconds

    def _rate(self) -> float:
        return self._here() * self.batch_size / self.spent if self.spent else 0.0

    def _here(self) -> int:
        """Batches trained on by this process."""
        return self.done - self.before


def _score(value: float) -> str:
    return "–" if value < 0 else f"{value:.3f}"


def _losses(logs: dict[str, Any]) -> str:
    """The loss, then its parts, in three letters."""
    short = {"objectness": "obj", "class": "cls"}
    parts = {key: key.removesuffix("_loss") for key in logs if key.endswith("_loss")}
    names = {"loss": "loss"} | {key: short.get(part, part) for key, part in parts.items()}
    return "  ".join(f"{name} {float(logs[key]):.3f}" for key, name in names.items() if key in logs)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return (
        f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
        if minutes >= 60
        else (f"{minutes}:{seconds:02d}")
    )
