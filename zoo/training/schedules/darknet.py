"""Darknet's learning-rate policies, each after a burn-in [network.c:get_current_rate].

n is the number of an update, the first is 1. A number of updates below 1 is a share of
`total_steps`, the updates of the whole run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from zoo.errors import ZooError
from zoo.training.schedules.policy import Policy


@keras.saving.register_keras_serializable("zoo")
class Constant(Policy):
    """The same rate after the burn-in."""

    def share(self, n: Any) -> Any:
        """1 for every n."""
        return ops.ones_like(n)


@keras.saving.register_keras_serializable("zoo")
class Steps(Policy):
    """The rate times `scales[i]` from update `steps[i]` on.

    Args:
        learning_rate: rate after the burn-in.
        total_steps: updates of the whole run.
        steps: update numbers, or shares of `total_steps` below 1.
        scales: factors, one for each step.
        burn_in: updates, or a share of `total_steps` below 1.
        power: exponent of the burn-in.

    Raises:
        ZooError: not as many scales as steps.
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
        if len(steps) != len(scales):
            raise ZooError(f"schedule steps {list(steps)} needs as many scales, not {list(scales)}")
        self.steps, self.scales = list(steps), list(scales)
        super().__init__(
            learning_rate, total_steps, burn_in, power, steps=self.steps, scales=self.scales
        )

    def share(self, n: Any) -> Any:
        """Product of the scales whose step is at most n."""
        share = ops.ones_like(n)
        for step, scale in zip(self.steps, self.scales, strict=True):
            share = ops.where(n >= self.updates(step), share * scale, share)
        return share


@keras.saving.register_keras_serializable("zoo")
class Step(Policy):
    """rate · scale^⌊n / step⌋.

    Args:
        learning_rate: rate after the burn-in.
        total_steps: updates of the whole run.
        step: updates between two falls, or a share of `total_steps` below 1.
        scale: factor of each fall.
        burn_in: updates, or a share of `total_steps` below 1.
        power: exponent of the burn-in.

    Raises:
        ZooError: `step` is not above 0.
    """

    def __init__(
        self,
        learning_rate: float,
        total_steps: int,
        step: float = 0.3,
        scale: float = 0.1,
        burn_in: float = 1000,
        power: float = 4,
    ):
        if step <= 0:
            raise ZooError(f"schedule.step={step} must be above 0")
        self.step, self.scale = step, scale
        super().__init__(learning_rate, total_steps, burn_in, power, step=step, scale=scale)

    def share(self, n: Any) -> Any:
        """The scale to the power of the falls so far."""
        return ops.power(self.scale, ops.floor(n / self.updates(self.step)))


@keras.saving.register_keras_serializable("zoo")
class Exponential(Policy):
    """rate · gamma^n, Darknet's `exp`.

    Args:
        learning_rate: rate after the burn-in.
        total_steps: updates of the whole run.
        gamma: factor of each update.
        burn_in: updates, or a share of `total_steps` below 1.
        power: exponent of the burn-in.
    """

    def __init__(
        self,
        learning_rate: float,
        total_steps: int,
        gamma: float = 0.9999,
        burn_in: float = 1000,
        power: float = 4,
    ):
        self.gamma = gamma
        super().__init__(learning_rate, total_steps, burn_in, power, gamma=gamma)

    def share(self, n: Any) -> Any:
        """The factor to the power of the updates."""
        return ops.power(self.gamma, n)


@keras.saving.register_keras_serializable("zoo")
class Polynomial(Policy):
    """rate · (1 − n / total_steps)^exponent, Darknet's `poly`, where the exponent is `power` too.

    Args:
        learning_rate: rate after the burn-in.
        total_steps: updates of the whole run.
        exponent: of what is left of the run.
        burn_in: updates, or a share of `total_steps` below 1.
        power: exponent of the burn-in.
    """

    def __init__(
        self,
        learning_rate: float,
        total_steps: int,
        exponent: float = 4,
        burn_in: float = 1000,
        power: float = 4,
    ):
        self.exponent = exponent
        super().__init__(learning_rate, total_steps, burn_in, power, exponent=exponent)

    def share(self, n: Any) -> Any:
        """1 at the start, 0 at the end and beyond."""
        left = ops.maximum(1 - n / self.total_steps, 0.0)
        return ops.power(left, float(self.exponent))


@keras.saving.register_keras_serializable("zoo")
class Sigmoid(Policy):
    """rate / (1 + e^(gamma·(n − step))).

    Args:
        learning_rate: rate after the burn-in.
        total_steps: updates of the whole run.
        step: where the rate has fallen by half; updates, or a share of `total_steps` below 1.
        gamma: steepness, per update.
        burn_in: updates, or a share of `total_steps` below 1.
        power: exponent of the burn-in.
    """

    def __init__(
        self,
        learning_rate: float,
        total_steps: int,
        step: float = 0.5,
        gamma: float = 0.001,
        burn_in: float = 1000,
        power: float = 4,
    ):
        self.step, self.gamma = step, gamma
        super().__init__(learning_rate, total_steps, burn_in, power, step=step, gamma=gamma)

    def share(self, n: Any) -> Any:
        """½ at `step`."""
        return ops.sigmoid(self.gamma * (self.updates(self.step) - n))
