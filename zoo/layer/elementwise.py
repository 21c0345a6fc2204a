"""Darknet's less common activations, each formula as in activations.h; all of one tensor."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

_register = keras.saving.register_keras_serializable("zoo")


@_register
def gelu(x: Any) -> Any:
    """x·Φ(x) with tanh for Φ: 0.5·x·(1 + tanh(0.797885·x + 0.035677·x³))."""
    return 0.5 * x * (1 + ops.tanh(0.797885 * x + 0.035677 * x * x * x))


@_register
def hard_mish(x: Any) -> Any:
    """x·min(2, max(0, x + 2)) / 2 [activations.h:hard_mish_yashas]."""
    return x * ops.clip(x + 2, 0, 2) / 2


@_register
def lhtan(x: Any) -> Any:
    """The input in [0, 1], with slope 0.001 outside."""
    return ops.where(x < 0, 0.001 * x, ops.where(x > 1, 0.001 * (x - 1) + 1, x))


@_register
def loggy(x: Any) -> Any:
    """2·σ(x) − 1."""
    return 2 * ops.sigmoid(x) - 1


@_register
def plse(x: Any) -> Any:
    """A sigmoid of three straight pieces: x/8 + ½ in [−4, 4], slope 0.01 outside."""
    low, high = 0.01 * (x + 4), 0.01 * (x - 4) + 1
    return ops.where(x < -4, low, ops.where(x > 4, high, 0.125 * x + 0.5))


@_register
def ramp(x: Any) -> Any:
    """The positive part plus a tenth of the input: max(x, 0) + 0.1·x."""
    return ops.relu(x) + 0.1 * x


@_register
def stair(x: Any) -> Any:
    """Flat steps at even ⌊x⌋, slopes at odd ones: ⌊⌊x⌋/2⌋, or x − ⌊x⌋ + ⌊x/2⌋."""
    floor = ops.floor(x)
    half = ops.floor(x / 2)
    return ops.where(ops.equal(floor, 2 * ops.floor(floor / 2)), half, x - floor + half)
