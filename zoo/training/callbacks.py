"""What happens between epochs: averages, evaluation, and the weights that users take away."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.data.sample import Source
from zoo.errors import ZooError
from zoo.evaluation.classification import accuracy, options_of
from zoo.evaluation.coco import NAMES
from zoo.evaluation.run import evaluate
from zoo.evaluation.save import LATEST, promote, save_evaluation
from zoo.files import replacing
from zoo.training.state import weights_sha256

log = logging.getLogger(__name__)


class SwapAverages(keras.callbacks.SwapEMAWeights):
    """Keras' swap of weights and their averages, to the bit.

    On TensorFlow Keras' own adds and subtracts, which rounds. On JAX two variables would share one
    array, and a step donates the arrays it is given: what another variable shares is then deleted.
    """

    def __init__(self) -> None:
        super().__init__(swap_on_epoch=True)

    def _backend_swap_variables(self, optimizer: keras.Optimizer) -> None:
        for variable, average in self._pairs(optimizer):
            held = _copy(variable)
            variable.assign(_copy(average))
            average.assign(held)

    def _backend_finalize_ema_values(self, optimizer: keras.Optimizer) -> None:
        for variable, average in self._pairs(optimizer):
            average.assign(_copy(variable))

    def _tf_swap_variables(self, optimizer: keras.Optimizer) -> None:
        self._backend_swap_variables(optimizer)

    def _tf_finalize_ema_values(self, optimizer: keras.Optimizer) -> None:
        self._backend_finalize_ema_values(optimizer)

    def _pairs(self, optimizer: keras.Optimizer) -> Any:
        return zip(
            optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True
        )


def _copy(variable: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(variable))


class Diverged(keras.callbacks.Callback):
    """Ends a run whose loss is no number: none that follows could be one.

    Args:
        step: batches trained on already.

    Raises:
        ZooError: at the first batch of such a loss.
    """

    def __init__(self, step: int = 0):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Look at the mean loss of the epoch, which stays NaN or infinite once it is."""
        self.step += 1
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            what = "not a number" if math.isnan(loss) else "infinite"
            raise ZooError(
                f"the loss is {what} at batch {self.step}: training has diverged; lower "
                "optimizer.learning_rate, set schedule.burn_in (updates of a rising rate) or "
                "optimizer.global_clipnorm (10, say)"
            )


class Evaluation(keras.callbacks.Callback):
    """COCO AP on a data source after every n epochs and the last, into the logs as `val_AP` ….

    `names` are those of the scores.

    Args:
        source: what to evaluate on.
        every: epochs between two evaluations.
        epochs: of the whole run.
        directory: of the run; its folder `latest` gets what `save_evaluation` writes.
        between: called after each batch; what it raises ends the run.
        **options: those of `zoo.evaluation.run.evaluate`.
    """

    names: tuple[str, ...] = NAMES

    def __init__(
        self,
        source: Source,
        *,
        every: int,
        epochs: int,
        directory: Path,
        between: Callable[[], None],
        **options: Any,
    ):
        super().__init__()
        self.directory, self.between = directory, between
        self.source, self.every, self.epochs, self.options = source, every, epochs, options

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Evaluate when it is time."""
        if (epoch + 1) % self.every == 0 or epoch + 1 == self.epochs:
            metrics = self.scores()
            if logs is not None:
                logs.update({f"val_{key}": value for key, value in metrics.items()})

    def scores(self) -> dict[str, float]:
        """Evaluate, and write what `save_evaluation` writes."""
        result = evaluate(self.model, self.source, between=self.between, **self.options)
        save_evaluation(result, self.directory / LATEST, settings=self.options)
        return result.metrics


class Accuracy(Evaluation):
    """Top-1 and top-5 instead of AP, for a classifier."""

    names = ("top1", "top5")

    def scores(self) -> dict[str, float]:
        """See `zoo.evaluation.classification`."""
        options = options_of(self.options)
        return accuracy(self.model, self.source, between=self.between, **options)


class BestAndLast(keras.callbacks.Callback):
    """`last.keras` after each epoch, `best.keras` whenever the monitored metric rises.

    As long as nothing can be measured, a score of −1, the last evaluated weights are the best.
    With `best.keras` comes evaluation.json, see `zoo.evaluation.save`.

    Args:
        directory: of the run.
        monitor: key of the logs; the higher the better.
        best: of a run that goes on, as below.

    `last_sha256` is that of the weights in `last.keras`. `best` is None before the first
    evaluation, then has `epoch` (counted from 1), `value`, `metrics` (the validation scores of the
    best weights) and `sha256` (of those weights).
    """

    def __init__(
        self, directory: Path, *, monitor: str = "val_AP50", best: dict[str, Any] | None = None
    ):
        super().__init__()
        self.directory, self.monitor, self.best = directory, monitor, best
        self.last_sha256: str | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save; a file appears whole or not at all."""
        self._save("last.keras")
        self.last_sha256 = weights_sha256(self.model)
        value = (logs or {}).get(self.monitor)
        if value is None or (self.best is not None and self.best["value"] >= max(value, 0)):
            return
        if value < 0 and self.best is None:
            log.warning(
                "there is no %s: no validation image has an object; best.keras follows last.keras, "
                "and patience waits", self.monitor,
            )  # fmt: skip
        self._save("best.keras")
        if (self.directory / LATEST).is_dir():
            promote(self.directory / LATEST, self.directory)
        scores = {key: number for key, number in (logs or {}).items() if key.startswith("val_")}
        self.best = {
            "epoch": epoch + 1,
            "value": value,
            "metrics": {key.removeprefix("val_"): number for key, number in scores.items()},
            "sha256": self.last_sha256,
        }

    def _save(self, name: str) -> None:
        with replacing(self.directory / name) as written:
            self.model.save(written)


class AtLeastOnce(keras.callbacks.Callback):
    """Evaluates when a run ends before its first evaluation, as Keras' EarlyStopping may end it.

    Args:
        evaluation: of the run.
        best: what keeps the best weights.
    """

    def __init__(self, evaluation: Evaluation, best: BestAndLast):
        super().__init__()
        self.evaluation, self.best = evaluation, best

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Evaluate, and keep the weights, where they would be left without scores."""
        if not self.model.stop_training or self.best.best is not None:
            return
        logs = {} if logs is None else logs
        logs.update({f"val_{key}": value for key, value in self.evaluation.scores().items()})
        self.best.on_epoch_end(epoch, logs)


class EarlyStop(keras.callbacks.Callback):
    """Ends the run after an evaluation when the best one is too long ago.

    It remembers nothing: what it looks at is in every checkpoint, so that a run which was killed
    ends where it would have ended.

    Args:
        best: what keeps the best weights; it comes before this one.
        patience: epochs.
    """

    def __init__(self, best: BestAndLast, patience: int):
        super().__init__()
        self.best, self.patience = best, patience

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Stop, and say so, when it is time."""
        record = self.best.best
        if record is None or self.best.monitor not in (logs or {}):
            return
        if epoch + 1 - record["epoch"] >= self.patience:
            log.info(
                "no better %s since epoch %d: the run ends after epoch %d",
                self.best.monitor, record["epoch"], epoch + 1,
            )  # fmt: skip
            self.model.stop_training = True


class ShortEpoch(keras.callbacks.Callback):
    """The rest of an epoch that was interrupted; those after it have their full length.

    Args:
        steps: batches left; 0 does nothing.
    """

    def __init__(self, steps: int):
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Leave the epoch's loop when nothing is left of it."""
        if batch + 1 == self.steps:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Go on with the next one."""
        if self.steps:
            self.model.stop_training = False
            self.steps = 0
