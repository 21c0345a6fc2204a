"""Learning rates along a cosine, once or with warm restarts [sgdr, eq. 5].

`Policy` has the arguments that all share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from zoo.ranges import POSITIVE, check_number
from zoo.training.schedules.policy import Policy


@keras.saving.register_keras_serializable("zoo")
@dataclass(eq=False)
class Cosine(Policy):
    """From the rate down to `final` times it, along half a cosine wave.

    Args:
        final: last rate as a share of the first.
    """

    final: float = 0.01

    def share(self, n: Any) -> Any:
        """1 at n = 0, `final` at n = total_steps and beyond."""
        return _half_wave(ops.minimum(n / self.total_steps, 1.0), self.final)


@keras.saving.register_keras_serializable("zoo")
@dataclass(eq=False)
class Restarts(Policy):
    """Half cosine waves one after the other, Darknet's `sgdr`.

    Args:
        cycle: updates of the first cycle (`sgdr_cycle`), or a share of `total_steps` below 1.
        factor: each cycle is that many times as long as the one before (`sgdr_mult`).
        minimum: rate at the end of each cycle (`learning_rate_min`).

    Raises:
        ZooError: `cycle` or `factor` is not above 0.
    """

    cycle: float = 0.1
    factor: float = 2
    minimum: float = 1e-5

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        super().__post_init__()
        for key in ("cycle", "factor"):
            check_number(f"schedule.{key}", getattr(self, key), POSITIVE)

    def share(self, n: Any) -> Any:
        """1 at the start of a cycle, `minimum` over the rate at its end."""
        starts, lengths = self._cycles()
        # The last update of a cycle still belongs to it.
        begun = ops.cast(n > ops.convert_to_tensor(starts, dtype="float32"), "int32")
        current = ops.maximum(ops.sum(begun) - 1, 0)
        start, length = (
            ops.take(ops.convert_to_tensor(values, dtype="float32"), current)
            for values in (starts, lengths)
        )
        return _half_wave((n - start) / length, self.minimum / (self.learning_rate or 1))

    def _cycles(self) -> tuple[list[float], list[float]]:
        """First update (less one) and length of every cycle that the run reaches."""
        starts, lengths = [0.0], [max(float(self.updates(self.cycle)), 1.0)]
        while starts[-1] + lengths[-1] < self.total_steps:
            starts.append(starts[-1] + lengths[-1])
            lengths.append(max(lengths[-1] * self.factor, 1.0))
        return starts, lengths


def _half_wave(progress: Any, final: float) -> Any:
    """1 at progress 0, `final` at 1."""
    return final + (1 - final) * (1 + ops.cos(math.pi * progress)) / 2
