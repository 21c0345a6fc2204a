"""Darknet-53, the residual backbone of YOLOv3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.backbone.stages import check_stages, check_stem
from zoo.layer.convolution import conv
from zoo.layer.residual import residual_stage


def darknet53(
    images: Any,
    *,
    depths: Sequence[int] = (1, 2, 8, 8, 4),
    stem: int = 32,
    activation: str = "leaky_relu",
) -> dict[str, Any]:
    """Darknet-53 without its classifier [yolov3, table 1].

    Args:
        images: float (batch, height, width, 3) in [0, 1]; sides divisible by 32.
        depths: residual blocks after each of the stride-2 convolutions.
        stem: channels of the first convolution; each stage doubles them.
        activation: name of a registered layer.

    Returns:
        P3, P4, P5: level n is (batch, height/2ⁿ, width/2ⁿ, 2ⁿ·stem).

    Raises:
        ZooError: there are not five depths, or one is below 0, or `stem` below 1.
    """
    check_stages("darknet53", "depths", depths, number=5, least=0)
    check_stem("darknet53", stem)
    pyramid = {}
    x = conv(images, stem, 3, activation=activation, name="stem")
    for stage, depth in enumerate(depths, start=1):
        x = residual_stage(x, stem * 2**stage, depth, activation=activation, name=f"stage{stage}")
        pyramid[f"P{stage}"] = x
    return {level: pyramid[level] for level in ("P3", "P4", "P5")}
