"""The dtype policy of layers that are made inside of other layers and models."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras


@contextlib.contextmanager
def policy(dtype: Any) -> Iterator[None]:
    """Layers made in this block have this policy, but those that fix one of their own.

    Args:
        dtype: whatever Keras takes for a policy; None leaves the global one.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(keras.dtype_policies.get(dtype) if dtype else before)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
