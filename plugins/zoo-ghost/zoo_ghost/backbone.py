"""GhostNet-style backbone (Han et al., GhostNet: More Features from Cheap Operations, 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from zoo.layer.convolution import conv


def ghost(
    images: Any,
    *,
    widths: Sequence[int] = (16, 32, 64, 128, 256),
    activation: str = "relu",
) -> dict[str, Any]:
    """Five stages, each a stride-2 convolution and a ghost module with a shortcut.

    Args:
        images: float (batch, height, width, 3) in [0, 1]; sides divisible by 32.
        widths: channels of the stages, even numbers.
        activation: name of a registered layer.

    Returns:
        P3, P4, P5 with widths[2:] channels; level n has stride 2ⁿ.
    """
    pyramid = {}
    x = images
    for level, width in enumerate(widths, start=1):
        name = f"stage{level}"
        x = conv(x, width, 3, stride=2, activation=activation, name=f"{name}_downsample")
        y = ghost_module(x, width, activation=activation, name=name)
        x = keras.layers.Add(name=name)([x, y])
        pyramid[f"P{level}"] = x
    return {level: pyramid[level] for level in ("P3", "P4", "P5")}


def ghost_module(x: Any, width: int, *, activation: str, name: str) -> Any:
    """Primary features by a 1×1 convolution, ghosts of them by 3×3 depthwise ones (figure 1b)."""
    half = width // 2
    primary = conv(x, half, 1, activation=activation, name=f"{name}_primary")
    ghosts = conv(primary, half, 3, groups=half, activation=activation, name=f"{name}_ghosts")
    return keras.layers.Concatenate(name=f"{name}_join")([primary, ghosts])
