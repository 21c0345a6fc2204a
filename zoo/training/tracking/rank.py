"""Which of several training processes this is."""

from __future__ import annotations

import json
import os
from typing import Any

import keras


def rank() -> int:
    """Number of this process among those of one training run, 0 if it is alone."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.process_index()
    if keras.backend.backend() == "tensorflow":
        task = _tf_config().get("task", {})
        before = len(_tf_config().get("cluster", {}).get("chief", []))
        return int(task.get("index", 0)) + (before if task.get("type") == "worker" else 0)
    return int(os.environ.get("RANK", 0))  # torchrun's


def cluster() -> list[str]:
    """Addresses of the processes that TF_CONFIG tells of, in the order of their ranks."""
    jobs = _tf_config().get("cluster", {})
    return [*jobs.get("chief", []), *jobs.get("worker", [])]


def _tf_config() -> dict[str, Any]:
    return json.loads(os.environ.get("TF_CONFIG") or "{}")
