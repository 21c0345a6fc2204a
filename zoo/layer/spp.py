"""Spatial pyramid pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from zoo.layer.pooling import SeparableMaxPool


def spp(features: Any, *, sizes: Sequence[int] = (5, 9, 13), name: str = "spp") -> Any:
    """Concatenate max-pools of several sizes with their input [spp; yolov4, §3.4].

    Args:
        features: (batch, h, w, channels).
        sizes: sides of the pooling windows, stride 1, odd.
        name: prefix of the layers' names.

    Returns:
        (batch, h, w, channels·(1 + len(sizes))), the largest window first as in yolov4.cfg.
    """
    pools = [
        SeparableMaxPool(size, name=f"{name}_pool{size}")(features)
        for size in sorted(sizes, reverse=True)
    ]
    return keras.layers.Concatenate(name=name)([*pools, features])
