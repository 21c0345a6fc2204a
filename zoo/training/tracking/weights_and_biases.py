"""Weights & Biases, offline when there is no account, never a reason for a run to stop."""

from __future__ import annotations

import contextlib
import functools
import logging
import netrc
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo.training.tracking.callback import Tracking

log = logging.getLogger(__name__)


@contextlib.contextmanager
def weights_and_biases(
    *,
    directory: Path,
    config: Mapping[str, Any],
    run_id: str | None = None,
    project: str = "zoo",
    mode: str | None = None,
    group: str | None = None,
    every: int = 20,
    artifacts: bool = True,
) -> Iterator[list[Any]]:
    """Follow a run in W&B, see `Tracking`, with its inputs and outputs, see `lineage`.

    Offline, everything lies in `directory/wandb`:
    `wandb sync` sends it later, that of a killed run too; a run that went on has a folder for each
    start, all with one id, and becomes one run.

    Args:
        directory: of the run; W&B's files go into it.
        config: the resolved config, logged with the run.
        run_id: of the run in W&B; a run that goes on keeps it.
        project: W&B project.
        mode: `"online"`, `"offline"` or `"disabled"`; by default WANDB_MODE, else offline unless
            there is an API key (WANDB_API_KEY or `wandb login`). Where the network is missing it is
            offline.
        group: W&B group, e.g. of a sweep.
        every: batches between two points of the training curves.
        artifacts: say in W&B which data and initial weights the run takes, and keep its best
            weights, manifest, config and history there at its end.
    """
    settings = {"project": project, "group": group, "id": run_id, "dir": str(directory)}
    run = _started(_mode(mode), config=dict(config), **settings)
    if run is None:
        yield []
        return
    from zoo.training.tracking.lineage import log_outputs, use_inputs

    if artifacts:
        _harmlessly(use_inputs, run, directory, config)
    failed = True
    try:
        yield [Tracking(run, directory, every=every, batch_size=config.get("batch_size", 1))]
        failed = False
    finally:
        if artifacts:
            _harmlessly(log_outputs, run, directory)
        _harmlessly(functools.partial(run.finish, exit_code=int(failed)))


def _started(mode: str, **settings: Any) -> Any:
    """A run of W&B, offline where online fails, None where nothing works."""
    try:
        import wandb

        return wandb.init(
            mode=mode,  # type: ignore[arg-type]
            resume="allow" if settings["id"] else None,
            settings=wandb.Settings(silent=True, init_timeout=60),
            **settings,
        )
    except Exception as error:  # whatever a tracker does, training goes on
        if mode == "online":
            log.warning("W&B goes offline, `wandb sync` can send the run later: %s", error)
            return _started("offline", **settings)
        log.warning("W&B is off for this run: %s", error)
        return None


def _harmlessly(step: Callable[..., None], *arguments: Any) -> None:
    """Whatever a tracker does, the run is what counts."""
    try:
        step(*arguments)
    except Exception as error:
        log.warning("W&B misses something: %s", error)


def _mode(mode: str | None) -> str:
    return mode or os.environ.get("WANDB_MODE") or ("online" if _has_key() else "offline")


def _has_key() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False
