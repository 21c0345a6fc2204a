"""Darknet's learning-rate policies, each after a burn-in [network.c:get_current_rate].

n is the number of an update, the first is 1. A number of updates below 1 is a share of
`total_steps`, the updates of the whole run. `Policy` has the arguments that all share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from zoo.errors import ZooError
from zoo.ranges import POSITIVE, check_number
from zoo.training.schedules.policy import Policy


@keras.saving.register_keras_serializable("zoo")
@dataclass(eq=False)
class Constant(Policy):
    """The same rate after the burn-in."""

    def share(self, n: Any) -> Any:
        """1 for every n."""
        return ops.ones_like(n)


@keras.saving.register_keras_serializable("zoo")
@dataclass(eq=False)
class Steps(Policy):
    """The rate times `scales[i]` from update `steps[i]` on.

    Args:
        steps: update numbers, or shares of `total_steps` below 1.
        scales: factors, one for each step.

    Raises:
        ZooError: not as many scales as steps.
    """

    steps: Sequence[float] = (0.8, 0.9)
    scales: Sequence[float] = (0.1, 0.1)

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        super().__post_init__()
        self.steps, self.scales = list(self.steps), list(self.scales)  # as Keras saves them
        if len(self.steps) != len(self.scales):
            raise ZooError(f"schedule steps {self.steps} needs as many scales, not {self.scales}")

    def share(self, n: Any) -> Any:
        """Product of the scales whose step is at most n."""
        share = ops.ones_like(n)
        for step, scale in zip(self.steps, self.scales, strict=True):
            share = ops.where(n >= self.updates(step), share * scale, share)
        return share


@keras.saving.register_keras_serializable("zoo")
@dataclass(eq=False)
class Step(Policy):
    """rate · scale^⌊n / step⌋.

    Args:
        step: updates between two falls, or a share of `total_steps` below 1.
        scale: factor of each fall.

    Raises:
        ZooError: `step` is not above 0.
    """

    step: float = 0.3
    scale: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        super().__post_init__()
        check_number("schedule.step", self.step, POSITIVE)

    def share(self, n: Any) -> Any:
        """The scale to the power of the falls so far."""
        return ops.power(self.scale, ops.floor(n / self.updates(self.step)))


@keras.saving.register_keras_serializable("zoo")
@dataclass(eq=False)
class Exponential(Policy):
    """rate · gamma^n, Darknet's `exp`.

    Args:
        gamma: factor of each update.
    """

    gamma: float = 0.9999

    def share(self, n: Any) -> Any:
        """The factor to the power of the updates."""
        return ops.power(self.gamma, n)


@keras.saving.register_keras_serializable("zoo")
@dataclass(eq=False)
class Polynomial(Policy):
    """rate · (1 − n / total_steps)^exponent, Darknet's `poly`, where the exponent is `power` too.

    Args:
        exponent: of what is left of the run.
    """

    exponent: float = 4

    def share(self, n: Any) -> Any:
        """1 at the start, 0 at the end and beyond."""
        left = ops.maximum(1 - n / self.total_steps, 0.0)
        return ops.power(left, float(self.exponent))


@keras.saving.register_keras_serializable("zoo")
@dataclass(eq=False)
class Sigmoid(Policy):
    """rate / (1 + e^(gamma·(n − step))).

    Args:
        step: where the rate has fallen by half; updates, or a share of `total_steps` below 1.
        gamma: steepness, per update.
    """

    step: float = 0.5
    gamma: float = 0.001

    def share(self, n: Any) -> Any:
        """½ at `step`."""
        return ops.sigmoid(self.gamma * (self.updates(self.step) - n))
