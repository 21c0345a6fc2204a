"""When a training saves its state, and how it takes it up again."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import keras

from zoo.config import override
from zoo.errors import ZooError
from zoo.training.checkpoint import FOLDER, Checkpoint, save_checkpoint
from zoo.training.interruption import Interruption
from zoo.training.journal import sizes
from zoo.training.state import random_state, restore, set_random_state, snapshot

log = logging.getLogger(__name__)


class Over(Exception):
    """The epoch that a checkpoint closed turns out to be the last: no batch may follow."""


class Interval:
    """Time, or batches, between two checkpoints.

    Args:
        every: `"10m"` is ten minutes, 500 is five hundred batches.

    Raises:
        ZooError: it is neither.
    """

    def __init__(self, every: Any):
        found = re.fullmatch(r"(\d+(?:\.\d+)?)m|(\d+)", str(every))
        if not found or not float(found[1] or found[2]):
            raise ZooError(
                f"checkpoint.every={every} is neither minutes (10m) nor a number of batches (500)"
            )
        self.seconds = float(found[1]) * 60 if found[1] else None
        self.steps = int(found[2]) if found[2] else None
        self.since = time.monotonic()

    def over(self, step: int) -> bool:
        """Whether it is time after batch `step`."""
        if self.steps:
            return step % self.steps == 0
        return time.monotonic() - self.since >= (self.seconds or 0)


class Checkpoints(keras.callbacks.Callback):
    """Saves the state after batches, and restores it. The last of the callbacks.

    A checkpoint is made after a batch, never between epochs: after the last batch of an epoch it is
    made before the evaluation. Going on from there begins with that evaluation.

    Args:
        directory: of the run, or the one in its place that is thrown away.
        steps: batches of an epoch.
        every, keep: `checkpoint` of `conf/train.yaml`.
        facts: more to save, asked for when saving; JSON-able.
        appended: names of the files that the run appends to, whose sizes are saved too.
        interruption: of the process.
        run: directory to go on with.
        resumed: the checkpoint to go on from.

    Attributes:
        siblings: all callbacks, this one included, which `fit` is given too.
    """

    def __init__(
        self,
        directory: Path,
        *,
        steps: int,
        every: Any,
        keep: int,
        facts: Callable[[], dict[str, Any]],
        appended: Collection[str],
        interruption: Interruption,
        run: Path,
        resumed: Checkpoint | None = None,
    ):
        super().__init__()
        self.directory, self.run, self.steps, self.keep = directory, run, steps, keep
        self.interval = Interval(every)
        self.facts, self.interruption, self.resumed = facts, interruption, resumed
        self.appended = appended
        self.step = resumed.step if resumed else 0
        self.saved_step: int | None = resumed.step if resumed else None
        self.siblings: keras.callbacks.CallbackList | None = None
        self._explain()

    # === Going on ===

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Restore everything; finish the epoch whose batches were all trained on.

        Raises:
            Over: that epoch ends the run, which `fit` would notice a batch too late.
        """
        if self.resumed is None:
            return
        restore(self.model, self.resumed.arrays)
        set_random_state(self.resumed.facts["random"])
        if self.step and self.step % self.steps == 0 and self.siblings:
            epoch = self.step // self.steps - 1
            self.siblings.on_epoch_begin(epoch)
            self.siblings.on_epoch_end(epoch, self.model.get_metrics_result())
            if self.model.stop_training:
                raise Over

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Restore the means of the epoch under way, which `fit` has just reset."""
        if self.resumed is not None:
            restore(self.model, self.resumed.arrays, roles=["metrics"])
            self.resumed = None

    @contextlib.contextmanager
    def ending(self) -> Iterator[None]:
        """Around `fit`, which ends here if no batch may follow a restored epoch."""
        try:
            yield
        except Over:
            if self.siblings:
                self.siblings.on_train_end()

    # === Saving ===

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """From now on there is something to lose."""
        self.interruption.check()
        self.interruption.saved = False

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Save when it is time, and stop when a signal came."""
        self.step += 1
        asked = self.interruption.signal is not None
        if asked or self.step % self.steps == 0 or self.interval.over(self.step):
            self._save()
        if asked:
            self.interruption.stop()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Stop when a signal came since the last batch."""
        self.interruption.check()

    def _save(self) -> None:
        arrays = snapshot(self.model)
        facts = {"step": self.step, "random": random_state(), **self.facts()}
        facts["sizes"] = sizes(self.directory, self.appended)
        try:
            save_checkpoint(
                self.directory / FOLDER, Checkpoint(self.step, arrays, facts), keep=self.keep
            )
        except OSError as error:
            log.warning(
                "batch %d is not saved: %s in %s; %s",
                self.step, error.strerror or error, self.directory / FOLDER, self._last(),
            )  # fmt: skip
        else:
            self.saved_step = self.step
            self.interruption.saved = True
        self._explain()
        self.interval.since = time.monotonic()

    def _last(self) -> str:
        if self.saved_step is None:
            return "there is no checkpoint yet"
        return f"the last checkpoint is that of batch {self.saved_step}"

    def _explain(self) -> None:
        self.interruption.message = (
            f"stopped, {self._last()}; go on with: python -m zoo.train "
            + override("resume", self.run)
        )
