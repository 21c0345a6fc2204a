"""How often each class is in the training and the validation images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.report.html import note, number, section, table

SPLITS = {"train": "training", "val": "validation"}


def training_labels(manifest: Mapping[str, Any]) -> str:
    """A table of the classes from what the manifest of a training run says of its data.

    A classifier's image has one label, so that its images are counted.
    """
    data = manifest.get("data", {})
    splits = {split: data[split] for split in SPLITS if isinstance(data.get(split), Mapping)}
    if len(splits) != len(SPLITS):
        return ""
    boxes = {split: found["boxes"] for split, found in splits.items()}
    total = sum(boxes["train"].values())
    rows = [
        [name, *(number(boxes[split].get(name, 0)) for split in splits), _share(count, total)]
        for name, count in sorted(boxes["train"].items(), key=lambda row: -row[1])
    ]
    classifies = manifest.get("config", {}).get("task") == "classification"
    what = "images" if classifies else "boxes"
    head = ["class", *(f"{SPLITS[split]} {what}" for split in splits), "share of training"]
    images = ", ".join(f"{found['images']:,} {SPLITS[s]} images" for s, found in splits.items())
    return section(
        "Classes of the data",
        f'<div class="scroll">{table(head, rows, bar=3)}</div>',
        note(f"{images}." if classifies else f"{images}; crowds are counted."),
        anchor="data",
    )


def _share(count: int, total: int) -> str:
    return f"{count / total:.3f}" if total else "–"
