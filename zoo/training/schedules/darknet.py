"""Darknet's learning-rate policies, each after a burn-in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


class _BurnIn(keras.optimizers.schedules.LearningRateSchedule):
    """rate · (n / burn_in)^power while n < burn_in, where the first update has n = 1.

    [network.c:get_current_rate]
    """

    def __init__(
        self, learning_rate: float, total_steps: int, burn_in: float = 0, power: float = 4
    ):
        self.learning_rate = learning_rate
        self.total_steps = total_steps
        self.burn_in = burn_in
        self.power = power

    def __call__(self, step: Any) -> Any:
        n = ops.cast(step, "float32") + 1
        burn_in = max(_steps(self.burn_in, self.total_steps), 1)
        rate = self.learning_rate * self.share(n)
        return ops.where(
            n < burn_in, self.learning_rate * ops.power(n / burn_in, float(self.power)), rate
        )

    def share(self, n: Any) -> Any:
        """Share of the learning rate at update n ≥ 1, burn-in aside."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this schedule again."""
        return {
            "learning_rate": self.learning_rate,
            "total_steps": self.total_steps,
            "burn_in": self.burn_in,
            "power": self.power,
        }


@keras.saving.register_keras_serializable("zoo")
class Constant(_BurnIn):
    """The same rate after the burn-in."""

    def share(self, n: Any) -> Any:
        """1 for every n."""
        return ops.ones_like(n)


@keras.saving.register_keras_serializable("zoo")
class Steps(_BurnIn):
    """The rate times `scales[i]` from update `steps[i]` on.

    Args:
        learning_rate: rate after the burn-in.
        total_steps: updates of the whole run.
        steps: update numbers, or shares of `total_steps` below 1.
        scales: factors, one for each step.
        burn_in: updates, or a share of `total_steps` below 1.
        power: exponent of the burn-in.
    """

    def __init__(
        self,
        learning_rate: float,
        total_steps: int,
        steps: Sequence[float] = (0.8, 0.9),
        scales: Sequence[float] = (0.1, 0.1),
        burn_in: float = 1000,
        power: float = 4,
    ):
        super().__init__(learning_rate, total_steps, burn_in, power)
        self.steps = list(steps)
        self.scales = list(scales)

    def share(self, n: Any) -> Any:
        """Product of the scales whose step is at most n."""
        share = ops.ones_like(n)
        for step, scale in zip(self.steps, self.scales, strict=True):
            share = share * ops.where(n >= _steps(step, self.total_steps), scale, 1.0)
        return share

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this schedule again."""
        return {**super().get_config(), "steps": self.steps, "scales": self.scales}


@keras.saving.register_keras_serializable("zoo")
class Cosine(_BurnIn):
    """From the rate down to `final` times it, along half a cosine wave [sgdr, eq. 5].

    Args:
        learning_rate: rate after the burn-in.
        total_steps: updates of the whole run.
        final: last rate as a share of the first.
        burn_in: updates, or a share of `total_steps` below 1.
        power: exponent of the burn-in.
    """

    def __init__(
        self,
        learning_rate: float,
        total_steps: int,
        final: float = 0.01,
        burn_in: float = 1000,
        power: float = 4,
    ):
        super().__init__(learning_rate, total_steps, burn_in, power)
        self.final = final

    def share(self, n: Any) -> Any:
        """1 at n = 0, `final` at n = total_steps."""
        wave = (1 + ops.cos(math.pi * ops.minimum(n / self.total_steps, 1.0))) / 2
        return self.final + (1 - self.final) * wave

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this schedule again."""
        return {**super().get_config(), "final": self.final}


def _steps(value: float, total_steps: int) -> float:
    """A number of updates: `value` itself, or that share of the total if below 1."""
    return value * total_steps if value < 1 else value
