"""CSPDarknet-53, the cross-stage-partial backbone of YOLOv4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from zoo.layer.convolution import conv
from zoo.layer.residual import residual


def cspdarknet53(
    images: Any,
    *,
    depths: Sequence[int] = (1, 2, 8, 8, 4),
    stem: int = 32,
    activation: str = "mish",
) -> dict[str, Any]:
    """CSPDarknet-53 without its classifier [yolov4, §3.4; cspnet, figure 3].

    Args:
        images: float (batch, height, width, 3) in [0, 1]; sides divisible by 32.
        depths: residual blocks of each stage.
        stem: channels of the first convolution; each stage doubles them.
        activation: name of a registered layer.

    Returns:
        P3, P4, P5: level n is (batch, height/2ⁿ, width/2ⁿ, 2ⁿ·stem).
    """
    pyramid = {}
    x = conv(images, stem, 3, activation=activation, name="stem")
    for stage, depth in enumerate(depths, start=1):
        x = csp_stage(
            x, stem * 2**stage, depth, first=stage == 1, activation=activation, name=f"stage{stage}"
        )
        pyramid[f"P{stage}"] = x
    return {level: pyramid[level] for level in ("P3", "P4", "P5")}


def csp_stage(x: Any, width: int, depth: int, *, first: bool, activation: str, name: str) -> Any:
    """Halve the sides, then join a bypass with `depth` residual blocks [cspnet, eq. 3].

    The first stage of yolov4.cfg keeps the full width in both branches and squeezes to half of it
    inside its residual block; the others work at half width throughout.
    """
    branch = width if first else width // 2
    hidden = width // 2
    x = conv(x, width, 3, stride=2, activation=activation, name=f"{name}_downsample")
    bypass = conv(x, branch, 1, activation=activation, name=f"{name}_bypass")
    y = conv(x, branch, 1, activation=activation, name=f"{name}_entry")
    for block in range(1, depth + 1):
        y = residual(y, hidden, activation=activation, name=f"{name}_block{block}")
    y = conv(y, branch, 1, activation=activation, name=f"{name}_exit")
    y = keras.layers.Concatenate(name=f"{name}_join")([y, bypass])
    return conv(y, width, 1, activation=activation, name=f"{name}_fuse")
