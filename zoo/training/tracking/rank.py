"""Which of several training processes this is."""

from __future__ import annotations

import os

import keras


def rank() -> int:
    """Number of this process among those of one training run, 0 if it is alone."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.process_index()
    return int(os.environ.get("RANK", 0))  # torchrun's
