"""A Keras model as Darknet's files."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from zoo.classifier import BackboneClassifier
from zoo.darknet.cfg import to_bytes
from zoo.darknet.plan import plan
from zoo.darknet.weights import cfg_text, save_weights
from zoo.errors import ZooError
from zoo.files import exporting

log = logging.getLogger(__name__)


def export(model: Any, path: str | os.PathLike[str]) -> list[Path]:
    """Write the `.weights` of a model, and the `.cfg` that it was imported from beside it.

    Args:
        model: a detector or a classifier.
        path: the `.weights` file.

    Returns:
        The files written. A model of parts has no cfg: Darknet reads it with that of its family,
        whose [yolo] sections must say what the log says.

    Raises:
        ZooError: the model is no Darknet network, the name does not end in .weights, or a file
            cannot be written.
    """
    if isinstance(model, BackboneClassifier):
        raise ZooError(
            f"{model.name} is a classifier of a backbone alone, which no cfg of Darknet describes; "
            "write it to a .keras file, or train a detector from it with weights=RUN "
            "transfer=[backbone]"
        )
    path = Path(path)
    if path.suffix != ".weights":  # as .cfg it would be overwritten by the cfg
        raise ZooError(f"path {str(path)!r}: the name must end in .weights")
    save_weights(model, path)
    text = cfg_text(model)
    if text is None:
        log.info("%s: its cfg must say, [yolo] by [yolo], %s", path, _decoding(model.head))
        return [path]
    if left := [layer.name for layer in plan(text).layers if layer.in_file != layer.arrays]:
        log.warning(
            "%s lacks weights that its cfg does not load either (dontload, dontloadscales): of %s",
            path, ", ".join(left),
        )  # fmt: skip
    beside = path.with_suffix(".cfg")
    with exporting(beside) as file:
        file.write(to_bytes(text))
    return [path, beside]


def _decoding(head: Any) -> str:
    """What the [yolo] sections of a cfg say of boxes, those of different values in their order."""
    anchors = ", ".join(f"{width:g},{height:g}" for width, height in head.anchors)
    masks = " and ".join(",".join(map(str, mask)) for mask in head.masks.values())
    scales = " and ".join(f"{head.scale_xy[level]:g}" for level in head.masks)
    coords = int(head.new_coords)
    return f"anchors={anchors}; mask={masks}; scale_x_y={scales}; new_coords={coords}"
