"""Which of several training processes this is."""

from __future__ import annotations

import json
import os

import keras


def rank() -> int:
    """Number of this process among those of one training run, 0 if it is alone."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.process_index()
    if keras.backend.backend() == "tensorflow":
        task = json.loads(os.environ.get("TF_CONFIG") or "{}").get("task", {})
        return int(task.get("index", 0))
    return int(os.environ.get("RANK", 0))  # torchrun's
