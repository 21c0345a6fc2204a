"""Weights & Biases, offline when there is no account, never a reason for a run to stop."""

from __future__ import annotations

import contextlib
import logging
import netrc
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, cast

log = logging.getLogger(__name__)


@contextlib.contextmanager
def weights_and_biases(
    *,
    directory: Path,
    config: Mapping[str, Any],
    project: str = "zoo",
    run_id: str | None = None,
    mode: str | None = None,
    group: str | None = None,
) -> Iterator[list[Any]]:
    """Log the metrics of each epoch to W&B.

    Args:
        directory: of the run; W&B's files go into it.
        config: the resolved config, logged with the run.
        project: W&B project.
        run_id: of the run in W&B; a run that goes on keeps it.
        mode: `"online"`, `"offline"` or `"disabled"`; by default WANDB_MODE, else offline unless an
            API key is set.
        group: W&B group, e.g. of a sweep.
    """
    try:
        import wandb

        run = wandb.init(
            project=project,
            group=group,
            id=run_id,
            resume="allow",
            dir=str(directory),
            config=dict(config),
            mode=_mode(mode),
            settings=wandb.Settings(silent=True),
        )
        callbacks = [_metrics_logger()]
    except Exception as error:  # whatever a tracker does, training goes on
        log.warning("W&B is off for this run: %s", error)
        yield []
        return
    failed = True
    try:
        yield callbacks
        failed = False
    finally:
        run.finish(exit_code=int(failed))


def _metrics_logger() -> Any:
    import keras
    from wandb.integration.keras import WandbMetricsLogger

    class MetricsLogger(WandbMetricsLogger):
        def _get_lr(self) -> float:
            # W&B's own asks for `.numpy()`, which arrays of JAX do not have.
            return float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    return MetricsLogger()


def _mode(mode: str | None) -> Literal["online", "offline", "disabled"]:
    mode = mode or os.environ.get("WANDB_MODE") or ("online" if _has_key() else "offline")
    return cast(Literal["online", "offline", "disabled"], mode)


def _has_key() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False
