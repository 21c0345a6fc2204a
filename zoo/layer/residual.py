"""The residual block of Darknet-53 and its descendants."""

from __future__ import annotations

from typing import Any

import keras

from zoo.layer.convolution import conv


def residual(x: Any, hidden: int, *, activation: str, name: str) -> Any:
    """Add conv3×3(conv1×1(x)) to x, the squeeze to `hidden` channels first [yolov3, table 1]."""
    y = conv(x, hidden, 1, activation=activation, name=f"{name}_conv1")
    y = conv(y, x.shape[-1], 3, activation=activation, name=f"{name}_conv2")
    return keras.layers.Add(name=name)([x, y])
