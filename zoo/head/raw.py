"""A head without layers of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from zoo.head.yolo import YoloHead


class RawYoloHead(YoloHead):
    """Decoding alone: the pyramid holds the raw predictions of every level already.

    Args:
        num_classes: classes that a box can have, independently of each other.
        anchors: as `YoloHead`.
        masks: as `YoloHead`; two levels of stride 32 are `"P5"` and `"P5_2"`.
        scale_xy: as `YoloHead`.
        new_coords: as `YoloHead`; the pyramid holds probabilities then.

    Raises:
        ZooError: as `YoloHead`.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        anchors: Sequence[Sequence[float]],
        masks: Mapping[str, Sequence[int]],
        scale_xy: float | Mapping[str, float] = 1.0,
        new_coords: bool = False,
    ):
        super().__init__(
            num_classes=num_classes,
            anchors=anchors,
            masks=masks,
            scale_xy=scale_xy,
            new_coords=new_coords,
        )

    def _level(self, level: str, features: Any) -> Any:
        return keras.layers.Activation("linear", dtype="float32", name=f"{level}_raw")(features)
