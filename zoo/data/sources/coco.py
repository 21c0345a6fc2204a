"""COCO's JSON."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo.data.lint import Annotation, Lint
from zoo.data.sources.files import ImageFiles, Record, existing_folder, read_text
from zoo.errors import ZooError


def coco_json(
    *,
    root: str | None,
    split: str,
    annotations: str = "instances.json",
    images: str = "images",
    on_error: str = "error",
) -> ImageFiles:
    """Images with one JSON file of annotations [cocodataset.org/#format-data].

    Three layouts are understood, the first that is there is taken:
    `root/SPLIT/instances.json` with `root/SPLIT/images/`; COCO's own
    `root/annotations/instances_SPLIT2017.json` with `root/SPLIT2017/`; and
    `root/instances.json` with `root/images/`, where `root` is one split already.

    Image sizes are taken from the JSON, so that 118,000 files need not be opened; a file that
    differs is an error when it is read. With `on_error="skip"` each is opened at the start.

    Args:
        root: the folder of the data set, or of one split of it.
        split: e.g. `"train"`, `"val"`.
        annotations: name of the JSON file.
        images: name of the folder of images.
        on_error: `"error"` or `"skip"`.

    Raises:
        ZooError: a missing file, or a fault in the annotations.
    """
    folder = existing_folder(root, "coco_json")
    file, image_folder = _locate(folder, split, annotations, images)
    content = _parse(file)
    lint = Lint(f"coco_json {file}", on_error)
    try:
        names = {category["id"]: category["name"] for category in content["categories"]}
    except (KeyError, TypeError) as error:
        raise ZooError(f"{file}: every category needs `id` and `name`") from error
    ids = sorted(names)
    return ImageFiles(
        _records(content, file, image_folder, lint),
        lint,
        classes={id: index for index, id in enumerate(ids)},
        class_names=[names[id] for id in ids],
        category_ids=ids,
        open_headers=on_error == "skip",
    )


def _locate(root: Path, split: str, annotations: str, images: str) -> tuple[Path, Path]:
    official = [split, f"{split}2017", f"{split}2014"]
    layouts = [
        (root / split / annotations, root / split / images),
        *((root / "annotations" / f"instances_{name}.json", root / name) for name in official),
        (root / annotations, root / images),
    ]
    for file, folder in layouts:
        if file.is_file():
            if not folder.is_dir():
                raise ZooError(f"the folder of images {folder} of {file} is missing")
            return file, folder
    tried = ", ".join(str(file.relative_to(root)) for file, _ in layouts)
    raise ZooError(f"no annotations of split {split!r} in {root}; looked for {tried}")


def _parse(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(file, "annotation file"))
    except json.JSONDecodeError as error:
        raise ZooError(f"{file} is not JSON: {error}") from error
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise ZooError(f"{file} is not in COCO format: it has no list {key!r}")
    return content


def _records(content: Mapping[str, Any], file: Path, folder: Path, lint: Lint) -> Iterator[Record]:
    objects = defaultdict(list)
    for annotation in content["annotations"]:
        objects[annotation.get("image_id")].append(annotation)
    seen = set()
    for number, image in enumerate(content["images"]):
        with lint.tolerate():
            id, name = image.get("id"), image.get("file_name")
            if id is None or name is None:
                raise ZooError(f"{file}: image number {number} needs `id` and `file_name`")
            if id in seen:
                raise ZooError(f"{file}: image id {id} occurs twice")
            seen.add(id)
            if not os.path.isfile(folder / name):
                raise ZooError(f"image {folder / name} of {file} is missing")
            size = (image["height"], image["width"]) if "height" in image else None
            annotations = [_annotation(a, lint, file) for a in objects.pop(id, ())]
            yield Record(id, folder / name, size, [a for a in annotations if a], str(file))
    for id, orphans in objects.items():
        if id not in seen:
            lint.fault(f"{file}: annotation {orphans[0].get('id')} is of the unknown image {id!r}")


def _annotation(a: Mapping[str, Any], lint: Lint, file: Path) -> Annotation | None:
    where = f"annotation {a.get('id')}"
    try:
        x, y, width, height = map(float, a["bbox"])
        area = None if a.get("area") is None else float(a["area"])
    except (KeyError, TypeError, ValueError):
        lint.fault(f"{file}: {where} needs `bbox` as four numbers x, y, width, height")
        return None
    box = (x, y, x + width, y + height)
    return Annotation(box, a.get("category_id"), where, bool(a.get("iscrowd", 0)), area)
