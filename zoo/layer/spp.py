"""Spatial pyramid pooling."""

from __future__ import annotations

from typing import Any

import keras

from zoo.layer.pooling import SeparableMaxPool

#: Sides of the pooling windows; the largest comes first as in yolov4.cfg.
SIZES = (13, 9, 5)


def spp(features: Any, *, name: str) -> Any:
    """Concatenate max-pools of several sizes with their input [spp; yolov4, §3.4].

    Args:
        features: (batch, h, w, channels).
        name: prefix of the layers' names.

    Returns:
        (batch, h, w, 4·channels).
    """
    pools = [SeparableMaxPool(size, name=f"{name}_pool{size}")(features) for size in SIZES]
    return keras.layers.Concatenate(name=name)([*pools, features])
