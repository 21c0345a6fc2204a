"""CSPDarknet, the cross-stage-partial backbones of YOLOv4 and Scaled-YOLOv4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from zoo.backbone.stages import check_stages, check_stem
from zoo.errors import ZooError, nearest
from zoo.layer.convolution import conv
from zoo.layer.residual import residual, residual_stage
from zoo.ops.levels import stride
from zoo.ranges import check_whole

FIRST_STAGES = ("csp", "residual", "wide")


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

    Raises:
        ZooError: there are not five depths, or one is below 0, or `stem` below 1.
    """
    check_stages("cspdarknet53", "depths", depths, number=5, least=0)
    check_stem("cspdarknet53", stem)
    widths = [stem * 2**stage for stage in range(1, 6)]
    return cspdarknet(
        images, depths=depths, widths=widths, stem=stem, first_stage="wide", activation=activation
    )


def cspdarknet(
    images: Any,
    *,
    depths: Sequence[int] = (1, 2, 8, 8, 4),
    widths: Sequence[int] = (64, 128, 256, 512, 1024),
    stem: int = 32,
    first_stage: str = "residual",
    first_hidden: int | None = None,
    activation: str = "mish",
) -> dict[str, Any]:
    """CSPDarknet of any depth and width [scaled-yolov4, §4.1 and §4.3; yolov4-csp.cfg].

    Args:
        images: float (batch, height, width, 3) in [0, 1]; sides divisible by 2 to the number of
            stages.
        depths: residual blocks of each stage.
        widths: channels of each stage.
        stem: channels of the first convolution.
        first_stage: `"residual"`, Darknet's stage without a bypass; `"csp"` like the others; or
            `"wide"`, whose branches keep its full width, as in `cspdarknet53`.
        first_hidden: channels inside the blocks of a residual first stage; by default half of its
            width.
        activation: name of a registered layer.

    Returns:
        P3 and the levels above it: level n is (batch, height/2ⁿ, width/2ⁿ, widths[n − 1]).

    Raises:
        ZooError: depths and widths are not of one length, one is too small, there are not three
            stages, or there is no such first stage.
    """
    if len(depths) != len(widths):
        raise ZooError(
            f"backbone cspdarknet: {len(depths)} depths and {len(widths)} widths; give one of each "
            "a stage"
        )
    if len(widths) < 3:
        raise ZooError(
            f"backbone cspdarknet: widths={list(widths)} are {len(widths)}; give 3 or more, as the "
            "first level is P3"
        )
    check_stages("cspdarknet", "depths", depths, least=0)
    check_stages("cspdarknet", "widths", widths, least=2)
    check_stem("cspdarknet", stem)
    if first_hidden is not None:
        check_whole("backbone cspdarknet first_hidden", first_hidden, least=1)
    if first_stage not in FIRST_STAGES:
        raise ZooError(
            f"backbone cspdarknet: no first_stage {first_stage!r}; "
            f"{nearest(first_stage, FIRST_STAGES)}"
        )
    pyramid = {}
    x = conv(images, stem, 3, activation=activation, name="stem")
    for stage, (depth, width) in enumerate(zip(depths, widths, strict=True), start=1):
        name = f"stage{stage}"
        if stage == 1 and first_stage == "residual":
            x = residual_stage(
                x, width, depth, hidden=first_hidden, activation=activation, name=name
            )
        else:
            wide = stage == 1 and first_stage == "wide"
            x = csp_stage(x, width, depth, wide=wide, activation=activation, name=name)
        pyramid[f"P{stage}"] = x
    return {level: features for level, features in pyramid.items() if stride(level) >= 8}


def csp_stage(
    x: Any, width: int, depth: int, *, wide: bool = False, activation: str, name: str
) -> Any:
    """Halve the sides, then join a bypass with `depth` residual blocks [cspnet, eq. 3].

    Both branches have half the width. A `wide` stage, the first of yolov4.cfg, keeps the full width
    in them and squeezes to half of it inside its residual blocks.
    """
    branch = width if wide else width // 2
    hidden = width // 2
    x = conv(x, width, 3, stride=2, activation=activation, name=f"{name}_downsample")
    bypass = conv(x, branch, 1, activation=activation, name=f"{name}_bypass")
    y = conv(x, branch, 1, activation=activation, name=f"{name}_entry")
    for block in range(1, depth + 1):
        y = residual(y, hidden, activation=activation, name=f"{name}_block{block}")
    y = conv(y, branch, 1, activation=activation, name=f"{name}_exit")
    y = keras.layers.Concatenate(name=f"{name}_join")([y, bypass])
    return conv(y, width, 1, activation=activation, name=f"{name}_fuse")
