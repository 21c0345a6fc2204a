"""Images that a detector did best and worst on, small, with their boxes as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from zoo.data.sample import Source
from zoo.evaluation.pictures import fitted, write_picture
from zoo.evaluation.run import Result

SIDE = 480  # longer side of a picture, pixels
KINDS = ("worst", "best")


def ranked(per_image: Sequence[Sequence[int]]) -> list[int]:
    """Images with objects, from the worst F1 to the best.

    Args:
        per_image: TP, FP and FN of each image. Of two images with the same F1 the one with more
            objects is the more telling: worse if it is bad, better if it is good.
    """
    right, wrong, missed = np.asarray(per_image, float).reshape(-1, 3).T
    objects = right + missed
    f1 = 2 * right / np.maximum(1, 2 * right + wrong + missed)
    order = np.lexsort((np.where(f1 < 0.5, -objects, objects), f1))
    return [int(index) for index in order if objects[index]]


def empty_of_pictures(directory: Path) -> None:
    """Make a folder for `save_best_and_worst`, without the JPEGs of an earlier one."""
    directory.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        for file in directory.glob(f"{kind}-*.jpg"):
            file.unlink()


def save_best_and_worst(
    result: Result, analysis: Mapping[str, Any], directory: Path, *, count: int = 6
) -> list[dict[str, Any]]:
    """Write JPEGs of the worst and the best images and say what is on them.

    Args:
        result: of the evaluation.
        analysis: of it.
        directory: folder for the JPEGs; made where it is missing, those of an earlier call go.
        count: images of either kind, fewer if there are not so many; the one in the middle is then
            among the worst.

    Returns:
        For each, worst ones first: kind, file, id, width and height of the picture, TP, FP, FN at
        the analysis' confidence, truth and found: boxes as [class index, x0, y0, x1, y1 (, score)]
        relative to the image.
    """
    empty_of_pictures(directory)
    order = ranked(analysis["per_image"])
    half = (len(order) + 1) // 2
    worst, best = order[:half][:count], order[half:][::-1][:count]
    rows: dict[int, dict[str, Any]] = {}
    for kind, indices in zip(KINDS, (worst, best), strict=True):
        for place, index in enumerate(indices, start=1):
            rows[index] = {"kind": kind, "file": f"{kind}-{place}.jpg"}
    boxes = _boxes(result, set(rows), analysis["confidence"])
    for index, row in rows.items():
        picture = _small(result.source, index)
        write_picture(directory / row["file"], picture)
        tp, fp, fn = analysis["per_image"][index]
        height, width = picture.shape[:2]
        row |= {"id": result.source.id(index), "width": width, "height": height}
        row |= {"TP": tp, "FP": fp, "FN": fn, **boxes[index]}
    return list(rows.values())


def _small(source: Source, index: int) -> np.ndarray:
    image = source.image(index)
    height, width = fitted(image.shape[:2], SIDE)
    way = cv2.INTER_AREA if max(image.shape[:2]) > SIDE else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=way)


def _boxes(result: Result, wanted: set[int], confidence: float) -> dict[int, dict[str, list]]:
    index = {category["id"]: n for n, category in enumerate(result.truth["categories"])}
    boxes: dict[int, dict[str, list]] = {image: {"truth": [], "found": []} for image in wanted}
    found = result.found[np.isin(result.found.array[:, 0], list(wanted))]
    for kind, rows in (("truth", result.truth["annotations"]), ("found", found)):
        for row in rows:
            image, score = row["image_id"], row.get("score")
            if image in wanted and (score is None or score > confidence):
                relative = _relative(row["bbox"], result.source.size(image))
                tail = [] if score is None else [round(float(score), 4)]
                boxes[image][kind].append([index[row["category_id"]], *relative, *tail])
    return boxes


def _relative(xywh: Sequence[float], size: tuple[int, int]) -> list[float]:
    height, width = size
    left, top, right, bottom = xywh[0], xywh[1], xywh[0] + xywh[2], xywh[1] + xywh[3]
    return [round(v, 4) for v in (left / width, top / height, right / width, bottom / height)]
