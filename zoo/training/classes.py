"""Whether the classes of the training data and of the validation data fit."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from zoo.data.sample import Source
from zoo.errors import ZooError, nearest

log = logging.getLogger(__name__)

#: Data whose images have a class each and no boxes.
WITHOUT_BOXES = ("folders", "tfds_classes")


def check_classes(sources: Mapping[str, Source]) -> None:
    """Refuse at the start what the first evaluation would stumble over. The order may differ.

    Args:
        sources: by split, "train" and "val".

    Raises:
        ZooError: the training data have no classes, or the validation data have one that they lack.
    """
    train, val = (sources[split].class_names for split in ("train", "val"))
    if not train:
        raise ZooError("the training data have no classes; name them, as in data.class_names=[…]")
    for name in val:
        if name not in train:
            raise ZooError(
                f"the validation data have class {name!r}, which the training data ({len(train)} "
                f"classes) lack; {nearest(name, train)}"
            )


def warn_of_empty_classes(data: Mapping[str, Any], task: str = "detection") -> list[str]:
    """Warn of classes without a box, or without an image, in the training or validation split.

    Args:
        data: `data` of the manifest, where the class of an image is that of a box over it.
        task: of the config, which says what a class has.

    Returns:
        The warnings: a class that is not in training cannot be learnt, one that is not in
        validation has no AP, or no part in top-1.
    """
    what, unscored = (
        ("image", "do not count there") if task == "classification" else ("box", "have no AP there")
    )
    warnings = []
    for split, outcome in (("train", "cannot be learnt"), ("val", unscored)):
        boxes = {name: data[split]["boxes"].get(name, 0) for name in data["class_names"]}
        if empty := [name for name, count in boxes.items() if not count]:
            shown = ", ".join(empty[:5]) + (f" and {len(empty) - 5} more" if empty[5:] else "")
            warnings.append(
                f"{len(empty)} of {len(boxes)} classes have no {what} in the {split} split and "
                f"{outcome}: {shown}; are the class names those of the labels?"
            )
    for warning in warnings:
        log.warning("%s", warning)
    return warnings


def warn_of_images_without_boxes(cfg: Mapping[str, Any]) -> None:
    """Warn where a detector would learn that an object fills every image."""
    data = cfg["data"]["name"]
    if data in WITHOUT_BOXES and cfg.get("task", "detection") == "detection":
        log.warning(
            "data=%s has no boxes: a detector learns that an object fills every image; to learn "
            "the classes of images set task=classification", data,
        )  # fmt: skip
