"""Schedules under gradient accumulation."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable("zoo")
class PerUpdate(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that counts updates, where Keras counts mini-batches.

    Args:
        schedule: any schedule, or a number.
        subdivisions: mini-batches of an update.
    """

    def __init__(self, schedule: Any, subdivisions: int):
        self.schedule, self.subdivisions = schedule, subdivisions

    def __call__(self, step: Any) -> Any:
        """The rate of the mini-batch that `step` mini-batches precede."""
        return self.schedule(step // self.subdivisions)

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this schedule again."""
        schedule = keras.saving.serialize_keras_object(self.schedule)
        return {"schedule": schedule, "subdivisions": self.subdivisions}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PerUpdate:
        """The inverse of `get_config`."""
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(schedule, config["subdivisions"])
