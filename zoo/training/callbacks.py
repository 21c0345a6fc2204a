"""What happens between epochs: evaluation and checkpoints."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.data.sample import Source
from zoo.evaluation.run import evaluate


class SwapAverages(keras.callbacks.SwapEMAWeights):
    """Keras' swap of weights and their averages, without two variables sharing one array.

    On JAX a step donates the arrays it is given: what another variable shares is then deleted.
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

    def _pairs(self, optimizer: keras.Optimizer) -> Any:
        return zip(
            optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True
        )


def _copy(variable: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(variable.value))


class Evaluation(keras.callbacks.Callback):
    """COCO AP on a data source after every n epochs and the last, into the logs as `val_AP` ….

    Args:
        source: what to evaluate on.
        every: epochs between two evaluations.
        epochs: of the whole run.
        **options: those of `zoo.evaluation.run.evaluate`.
    """

    def __init__(self, source: Source, *, every: int, epochs: int, **options: Any):
        super().__init__()
        self.source, self.every, self.epochs, self.options = source, every, epochs, options

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Evaluate when it is time."""
        if (epoch + 1) % self.every == 0 or epoch + 1 == self.epochs:
            result = evaluate(self.model, self.source, **self.options)
            if logs is not None:
                logs.update({f"val_{key}": value for key, value in result.metrics.items()})


class Checkpoints(keras.callbacks.Callback):
    """`last.keras` after each epoch, `best.keras` whenever the monitored metric rises.

    Args:
        directory: of the run.
        monitor: key of the logs; the higher the better.

    `metrics` holds the validation scores of the best checkpoint.
    """

    def __init__(self, directory: Path, *, monitor: str = "val_AP50"):
        super().__init__()
        self.directory, self.monitor = directory, monitor
        self.best = float("-inf")
        self.metrics: dict[str, float] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save; a file appears whole or not at all."""
        self._save("last.keras")
        value = (logs or {}).get(self.monitor)
        if value is not None and value > self.best:
            self.best = value
            scores = {key: number for key, number in (logs or {}).items() if key.startswith("val_")}
            self.metrics = {key.removeprefix("val_"): number for key, number in scores.items()}
            self._save("best.keras")

    def _save(self, name: str) -> None:
        unfinished = self.directory / f"unfinished-{name}"
        self.model.save(unfinished)
        os.replace(unfinished, self.directory / name)
