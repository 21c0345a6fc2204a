"""The optimizer of a config, with its schedule and its averages."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from numbers import Real
from typing import Any

import keras

from zoo import building
from zoo.errors import ZooError
from zoo.registry import OPTIMIZERS
from zoo.training.schedules.policy import Policy
from zoo.training.schedules.updates import PerUpdate

log = logging.getLogger(__name__)


def optimizer_of(cfg: Mapping[str, Any], *, total_steps: int) -> keras.Optimizer:
    """The optimizer of the config, with its schedule and its averages.

    Raises:
        ZooError: a value that the optimizer refuses, a text where it takes numbers, or a part that
            gives something else or cannot be saved.
    """
    settings = dict(cfg["optimizer"])
    theirs = "name" in settings and OPTIMIZERS.origin(settings["name"]) != "zoo"
    for key, value in settings.items():
        # Keras' own, and what ours hands on to it, would fail with it at the first update.
        if isinstance(value, str) and key not in ("name", "_target_") and not theirs:
            raise ZooError(f"optimizer.{key}={value!r} must be a number")
    rate = settings.pop("learning_rate", None)
    if not isinstance(rate, Real) or isinstance(rate, bool) or rate < 0:
        raise ZooError(f"optimizer.learning_rate={rate!r} must be a number, at least 0")
    parts = cfg["subdivisions"]
    schedule = building.build(
        "schedule", cfg["schedule"], learning_rate=rate, total_steps=max(total_steps // parts, 1)
    )
    try:
        optimizer = building.build("optimizer", settings, **_needed_rate(settings, rate))
    except ZooError:
        raise
    except (TypeError, ValueError) as error:  # as of two ways to clip at once
        raise ZooError(f"optimizer: {error}") from error
    _check_kind("schedule", schedule, keras.optimizers.schedules.LearningRateSchedule)
    _check_kind("optimizer", optimizer, keras.Optimizer)
    _warn_of_burn_in(schedule)
    optimizer.learning_rate = schedule if parts == 1 else PerUpdate(schedule, parts)
    optimizer.gradient_accumulation_steps = parts if parts > 1 else None
    if cfg["ema"]:
        optimizer.use_ema, optimizer.ema_momentum = True, cfg["ema"]
        optimizer.ema_overwrite_frequency = None
    return optimizer


def _warn_of_burn_in(schedule: Any) -> None:
    """Tell where the rate rises for half of a run or more, and perhaps never arrives."""
    if not isinstance(schedule, Policy):
        return
    burn_in, total = schedule.updates(schedule.burn_in), schedule.total_steps
    if burn_in > 1 and burn_in >= total / 2:
        log.warning(
            "the learning rate rises for %.0f of the run's %d updates (schedule.burn_in=%g); for a "
            "tenth of them set schedule.burn_in=0.1", burn_in, total, schedule.burn_in,
        )  # fmt: skip


def _needed_rate(settings: Mapping[str, Any], rate: Real) -> dict[str, Real]:
    """The learning rate where a part cannot be built without; the schedule takes its place."""
    if "name" not in settings or "_target_" in settings:
        return {}
    parameter = inspect.signature(OPTIMIZERS[settings["name"]]).parameters.get("learning_rate")
    return {"learning_rate": rate} if parameter and parameter.default is parameter.empty else {}


def _check_kind(kind: str, part: Any, wanted: Any) -> None:
    """Refuse a part that `fit` or, after an epoch, `last.keras` would not take."""
    if not isinstance(part, wanted):
        raise ZooError(f"the {kind} of the config gives {part!r}, not a Keras {wanted.__name__}")
    try:
        part.get_config()
    except Exception as error:  # a stranger's part may raise anything
        raise ZooError(
            f"{kind} {type(part).__name__} cannot be saved: its get_config raises "
            f"{type(error).__name__}; let it return the keyword arguments that make it again"
        ) from error
