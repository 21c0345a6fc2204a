"""An evaluation as tables, charts and pictures of W&B."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import wandb

COLUMNS = ("name", "objects", "AP", "AP50", "AP75", "AR100", "P", "R", "F1")
#: Precision–recall curves of more classes than this nobody can tell apart.
CURVES = 10


def evaluation_media(file: Path) -> dict[str, Any]:
    """What `Run.log` takes.

    Args:
        file: evaluation.json, with its folder `pictures` beside it.

    Returns:
        A table of the classes, precision over recall (mean and the classes with the most objects),
        the confusion matrix, and the best and worst images with their boxes.
    """
    found = json.loads(file.read_text(encoding="utf-8"))
    names = [row["name"] for row in found["per_class"]]
    rows = [row for row in found["per_class"] if row["objects"]]
    return {
        "val/classes": wandb.Table(
            columns=list(COLUMNS), data=[[row[key] for key in COLUMNS] for row in rows]
        ),
        "val/precision_recall": _precision(found),
        "val/confusion_matrix": _confusion(found["confusion"]["cells"], [*names, "background"]),
        "val/images": [picture(row, names, file.parent / "pictures") for row in found["pictures"]],
    }


def picture(row: Mapping[str, Any], names: Sequence[str], folder: Path) -> wandb.Image:
    """An image with two layers of boxes, `found` and `truth`.

    Args:
        row: of `pictures` in evaluation.json.
        names: of the classes.
        folder: where the files of the pictures are.
    """
    labels = dict(enumerate(names))
    layers = {
        layer: {"box_data": [_box(box, names) for box in row[layer]], "class_labels": labels}
        for layer in ("found", "truth")
    }
    caption = (
        f"{row['kind']}: {row['id']}, {row['TP']} right, {row['FP']} wrong, {row['FN']} missed"
    )
    return wandb.Image(str(folder / row["file"]), boxes=layers, caption=caption)


def _box(box: Sequence[float], names: Sequence[str]) -> dict[str, Any]:
    label, left, top, right, bottom, *score = box
    label = int(label)
    caption = f"{names[label]} {score[0]:.2f}" if score else names[label]
    return {
        "position": {"minX": left, "minY": top, "maxX": right, "maxY": bottom},
        "class_id": label,
        "box_caption": caption,
        **({"scores": {"score": score[0]}} if score else {}),
    }


def _precision(found: Mapping[str, Any]) -> Any:
    curves = found["curves"]
    order = sorted(enumerate(found["per_class"]), key=lambda item: -item[1]["objects"])[:CURVES]
    shown = {"mean of all classes": curves["precision"]["0.50"]} | {
        row["name"]: curves["precision_by_class"][k] for k, row in order if row["objects"]
    }
    rows = [
        [name, recall, precision]
        for name, values in shown.items()
        for recall, precision in zip(curves["recall"], values, strict=True)
    ]
    return wandb.plot_table(
        "wandb/area-under-curve/v0",
        wandb.Table(columns=["class", "recall", "precision"], data=rows),
        {"x": "recall", "y": "precision", "class": "class"},
        {"title": "Precision over recall at IoU 0.50"},
    )


def _confusion(cells: Sequence[Sequence[int]], names: Sequence[str]) -> Any:
    rows = [[names[true], names[predicted], count] for true, predicted, count in cells]
    return wandb.plot_table(
        "wandb/confusion_matrix/v1",
        wandb.Table(columns=["Actual", "Predicted", "nPredictions"], data=rows),
        {"Actual": "Actual", "Predicted": "Predicted", "nPredictions": "nPredictions"},
        {"title": "Confusion matrix"},
    )
