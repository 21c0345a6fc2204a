"""What Darknet's learning-rate policies share: a burn-in, and numbers that may be shares."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
from keras import ops

from zoo.ranges import WEIGHT, check_number


@dataclasses.dataclass(eq=False)
class Policy(keras.optimizers.schedules.LearningRateSchedule):
    """rate · (n / burn_in)^power while n < burn_in, where the first update has n = 1.

    [network.c:get_current_rate]

    Args:
        learning_rate: rate after the burn-in.
        total_steps: updates of the whole run.
        burn_in: updates, or a share of `total_steps` below 1.
        power: exponent of the burn-in.

    Raises:
        ZooError: a number that means nothing, as a burn-in below 0.
    """

    learning_rate: float
    total_steps: int
    burn_in: float = 1000
    power: float = 4

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        check_number("schedule.burn_in", self.burn_in, WEIGHT)

    def __call__(self, step: Any) -> Any:
        """The rate of the update that `step` updates precede."""
        n = ops.cast(step, "float32") + 1
        burn_in = max(self.updates(self.burn_in), 1)
        rate = self.learning_rate * self.share(n)
        return ops.where(
            n < burn_in, self.learning_rate * ops.power(n / burn_in, float(self.power)), rate
        )

    def share(self, n: Any) -> Any:
        """Share of the learning rate at update n ≥ 1, burn-in aside."""
        raise NotImplementedError

    def updates(self, value: float) -> float:
        """A number of updates: `value` itself, or that share of the total if below 1."""
        return value * self.total_steps if value < 1 else value

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this schedule again."""
        return dataclasses.asdict(self)
