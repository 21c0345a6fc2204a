"""What training will see: its samples drawn, its labels counted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import supervision as sv
from rich.text import Text

from zoo.console import plain_console, table
from zoo.data.geometry import resized_sides
from zoo.data.sample import MEDIUM, Source
from zoo.data.sources import open_source
from zoo.data.training import TrainingSamples, network_input, training_samples
from zoo.evaluation.pictures import contact_sheet, labelled, write_picture
from zoo.files import replacing
from zoo.ranges import check_whole
from zoo.training.length import epochs, steps_of_an_epoch

COLUMNS, ROWS = 4, 3  # of a contact sheet
#: The longer side of a sample in `batches.png`, and the least one in a sheet, pixels.
SIDE = 320
SHARES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def browse(cfg: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """Draw the first samples of an epoch as training gets them, and count its labels.

    Writes sheet-000.png, … (12 samples each, in the order of training) and labels.json.

    Args:
        cfg: plain `conf/browse.yaml`: all keys of training, `count` and `epoch`.
        directory: where to write.

    Returns:
        The statistics of `labels.json`.

    Raises:
        ZooError: something in the config or in the data does not fit.
    """
    for key, least in (("epoch", 1), ("count", 0), ("batch_size", 1)):
        check_whole(key, cfg[key], least=least)
    source = open_source(cfg["data"], "train")
    size, mode, _ = network_input(cfg)
    # Fewer images than a batch, which training refuses, may be looked at.
    batch_size = min(cfg["batch_size"], len(source))
    steps = steps_of_an_epoch({**cfg, "batch_size": batch_size}, source)
    cfg = {**cfg, "epochs": epochs(cfg, source, steps=steps)}
    samples = training_samples(cfg, source, steps=steps)
    first = (cfg["epoch"] - 1) * steps * cfg["batch_size"]
    directory.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(range(0, cfg["count"], COLUMNS * ROWS)):
        positions = range(first + start, first + min(start + COLUMNS * ROWS, cfg["count"]))
        cells = [drawn(samples, position, source.class_names, least=SIDE) for position in positions]
        write_picture(directory / f"sheet-{number:03d}.png", contact_sheet(cells, columns=COLUMNS))
    statistics = label_counts(source, size=size, mode=mode)
    (directory / "labels.json").write_text(json.dumps(statistics, indent=1) + "\n")
    _print(statistics)
    return statistics


def save_first_batches(
    cfg: Mapping[str, Any], source: Source, path: Path, *, steps: int, stride: int | None = None
) -> None:
    """The first samples of a run as one picture, the same however often the run starts.

    Args:
        cfg: plain `conf/train.yaml`.
        source: the training split.
        path: PNG file to write; one that is there already is that of the run.
        steps: batches of an epoch.
        stride: of the model.
    """
    if path.is_file():
        return
    samples = training_samples(cfg, source, steps=steps, stride=stride)
    positions = range(COLUMNS * ROWS)
    cells = [drawn(samples, position, source.class_names, side=SIDE) for position in positions]
    with replacing(path) as file:
        write_picture(file, contact_sheet(cells, columns=COLUMNS))


def drawn(
    samples: TrainingSamples,
    position: int,
    class_names: Sequence[str],
    *,
    side: int | None = None,
    least: int = 1,
) -> np.ndarray:
    """The input at a position with its boxes and class names, uint8 (height, width, 3) RGB.

    Args:
        samples: of the training.
        position: which of them.
        class_names: of the data.
        side: the longer one of the picture, pixels; None: of the input, enlarged to `least`.
        least: see there; names on a small input would hide what they name.
    """
    x, y = samples(position)
    if x.dtype != np.uint8:
        x = (x * 255 + 0.5).astype(np.uint8)
    longer = max(x.shape[:2])
    scale = (side or max(longer, least)) / longer
    if scale != 1:
        x = cv2.resize(x, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    real = y["classes"] >= 0
    classes = y["classes"][real]
    boxes = sv.Detections(xyxy=y["boxes"][real] * scale, class_id=classes.astype(int))
    names = [class_names[index] for index in classes]
    return labelled(x, boxes, names, thickness=1, text_scale=0.35)


def label_counts(source: Source, *, size: Sequence[int], mode: str) -> dict[str, Any]:
    """Counts of classes, boxes of an image, and sizes of boxes at the network input, JSON-able."""
    labels = [source.labels(index) for index in range(len(source))]
    counts = np.array([int((~label.crowd).sum()) for label in labels])
    classes = np.concatenate([label.classes[~label.crowd] for label in labels])
    per_class = np.bincount(classes, minlength=len(source.class_names))
    sides = resized_sides(source, size, mode=mode)
    middle = np.sqrt(sides.prod(axis=1))
    small, large = int((middle < MEDIUM[0]).sum()), int((middle >= MEDIUM[1]).sum())
    return {
        "images": len(source),
        "background_images": int((counts == 0).sum()),
        "boxes": len(classes),
        "crowd_boxes": int(sum(label.crowd.sum() for label in labels)),
        "boxes_per_image": {"mean": round(float(counts.mean()), 2), "max": int(counts.max())},
        "classes": dict(zip(source.class_names, per_class.tolist(), strict=True)),
        "image_size": list(size),
        "sides_at_image_size": {
            side: dict(zip(map(str, SHARES), _quantiles(sides[:, axis]), strict=True))
            for axis, side in enumerate(("width", "height"))
        },
        "small_medium_large": [small, len(sides) - small - large, large],
        "under_one_pixel": int((sides < 1).any(axis=1).sum()),
    }


def _quantiles(values: np.ndarray) -> list[float]:
    if not len(values):
        return [0.0] * len(SHARES)
    return [round(float(value), 1) for value in np.quantile(values, SHARES)]


def _print(statistics: Mapping[str, Any]) -> None:
    rows = [
        (name, Text(str(count), style="" if count else "red"))
        for name, count in sorted(statistics["classes"].items(), key=lambda row: -row[1])
    ]
    plain_console().print(table(["class", "boxes"], rows, title="boxes of each class"))
    size = "×".join(map(str, statistics["image_size"]))
    small, medium, large = statistics["small_medium_large"]
    print(
        f"{statistics['images']} images ({statistics['background_images']} without boxes), "
        f"{statistics['boxes']} boxes; at {size}: {small} small, {medium} medium, {large} large, "
        f"{statistics['under_one_pixel']} under one pixel"
    )
