"""Whether a data set and the anchors of a model fit each other."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.data.geometry import resized_sides
from zoo.data.sample import Source
from zoo.ops.anchors import AnchorFit, fit_of

log = logging.getLogger(__name__)
#: With a smaller best possible recall a warning is due.
ENOUGH_RECALL = 0.98


def anchor_fit(
    source: Source, anchors: Sequence[Sequence[float]], size: Sequence[int], mode: str
) -> AnchorFit:
    """How well anchors fit the boxes of a data set at the network input.

    Args:
        source: the data set; crowd boxes, and boxes under a pixel, do not count.
        anchors: (k, 2) width and height, pixels of the network input.
        size: height and width of the network input, pixels.
        mode: `"stretch"` or `"letterbox"`.
    """
    return fit_of(trainable_sides(source, size, mode), anchors)


def trainable_sides(source: Source, size: Sequence[int], mode: str) -> np.ndarray:
    """Width and height (n, 2) of the boxes that training sees, pixels of the network input."""
    sides = resized_sides(source, size, mode=mode)
    return sides[(sides >= 1).all(axis=1)]


def used_anchors(head: Mapping[str, Any]) -> list[list[float]]:
    """The anchors of a head's config that belong to a level, each once."""
    if "anchors" not in head:
        return []
    used = {index for mask in head.get("masks", {}).values() for index in mask}
    return [list(anchor) for index, anchor in enumerate(head["anchors"]) if index in used]


def warn_of_unfit_anchors(
    source: Source, head: Mapping[str, Any], size: Sequence[int], mode: str
) -> None:
    """Say in the log, before training, if some boxes are far from every anchor.

    Args:
        source: the training split.
        head: config of the head; nothing is said of a head without anchors.
        size: height and width of the network input, pixels.
        mode: `"stretch"` or `"letterbox"`.
    """
    if not (anchors := used_anchors(head)):
        return
    found = anchor_fit(source, anchors, size, mode)
    if found.recall < ENOUGH_RECALL:
        log.warning(
            "the anchors do not fit the data: %.1f %% of %d boxes are more than four times as wide "
            "or as high as any of them, or the other way round (average IoU %.3f); "
            "python -m zoo.anchors with the same keys proposes better ones",
            100 * (1 - found.recall), found.boxes, found.average_iou,
        )  # fmt: skip
