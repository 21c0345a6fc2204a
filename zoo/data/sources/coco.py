"""COCO's JSON."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.lint import Annotation, Lint
from zoo.data.sources.files import ImageFiles, Record, existing_folder, read_text
from zoo.errors import ZooError

#: Names of the file and of the folder where none are given.
ANNOTATIONS, IMAGES = "instances.json", "images"
#: What may tell images apart, and refer to them and to categories.
ID = (int, float, str)
LARGEST_AREA = float(np.finfo(np.float32).max)  # pixels², of `Labels`


def coco_json(
    *,
    root: str | None,
    split: str,
    annotations: str = ANNOTATIONS,
    images: str = IMAGES,
    on_error: str = "error",
) -> ImageFiles:
    """Images with one JSON file of annotations [cocodataset.org/#format-data].

    Three layouts are understood, the first that is there is taken:
    `root/SPLIT/instances.json` with `root/SPLIT/images/`; COCO's own
    `root/annotations/instances_SPLIT2017.json` with `root/SPLIT2017/`; and
    `root/instances.json` with `root/images/`, where `root` is one split already. Another name than
    `instances.json` is that of a file in the first or the last layout; another one than `images` is
    that of the folder in all.

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
    names = _category_names(content["categories"], file)
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
    named = images != IMAGES
    official = [split, f"{split}2017", f"{split}2014"] if annotations == ANNOTATIONS else []
    layouts = [
        (root / split / annotations, root / split / images),
        *(
            (root / "annotations" / f"instances_{name}.json", root / (images if named else name))
            for name in official
        ),
        (root / annotations, root / images),
    ]
    for file, folder in layouts:
        if file.is_file():
            if not folder.is_dir():
                raise ZooError(f"the folder of images {folder} of {file} is missing")
            return file, folder
    tried = ", ".join(os.path.relpath(file, root) for file, _ in layouts)
    raise ZooError(f"no annotations of split {split!r} in {root}; looked for {tried}")


def _parse(file: Path) -> dict[str, Any]:
    text = read_text(file, "annotation file")
    try:
        content = json.loads(text, object_hook=_without_polygons)
    except (ValueError, RecursionError) as error:  # besides: thousands of digits, of brackets
        raise ZooError(f"{file} is not JSON: {error}") from error
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise ZooError(f"{file} is not in COCO format: it has no list {key!r}")
    return content


def _without_polygons(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry without what nothing here reads, which is most of a file of COCO."""
    entry.pop("segmentation", None)
    return entry


def _category_names(categories: Iterable[Any], file: Path) -> dict[int, str]:
    names: dict[int, str] = {}
    for number, category in enumerate(categories):
        where = f"{file}: category number {number}"
        _check(category, where, id=(int,), name=(str,))
        id, name = category["id"], category["name"]
        if id in names:
            raise ZooError(f"{where} has the id {id}, as {names[id]!r} has; give it another")
        names[id] = name
    return names


def _check(entry: Any, where: str, **types: tuple[type, ...]) -> None:
    """Raise a `ZooError` unless `entry` is a mapping with values of these types."""
    if not isinstance(entry, dict):
        raise ZooError(f"{where} is no mapping: {entry!r}")
    for key, allowed in types.items():
        if type(entry.get(key)) not in allowed:  # True, an int to isinstance, is no id
            known = " or ".join(type.__name__ for type in allowed)
            raise ZooError(f"{where} needs `{key}` ({known}), not {entry.get(key)!r}")


def _records(content: Mapping[str, Any], file: Path, folder: Path, lint: Lint) -> Iterator[Record]:
    objects = defaultdict(list)
    for number, annotation in enumerate(content["annotations"]):
        with lint.tolerate():
            _check(annotation, f"{file}: annotation number {number}", image_id=ID)
            objects[annotation["image_id"]].append(annotation)
    seen = set()
    for number, image in enumerate(content["images"]):
        with lint.tolerate():
            _check(image, f"{file}: image number {number}", id=ID, file_name=(str,))
            id, path = image["id"], folder / image["file_name"]
            seen.add(id)
            if not os.path.isfile(path):
                raise ZooError(f"image {path} of {file} is missing")
            size = _size(image, f"{file}: image {id}")
            annotations = list(_annotations(objects[id], file, lint))
            yield Record(id, path, size, annotations, str(file))
    for id, orphans in objects.items():
        for orphan in orphans if id not in seen else ():
            lint.fault(f"{file}: annotation {orphan.get('id')} is of the unknown image {id!r}")


def _size(image: Mapping[str, Any], where: str) -> tuple[int, int] | None:
    """The stated height and width, if any; some tools write whole numbers as 640.0."""
    sides: tuple[Any, Any] = image.get("height"), image.get("width")
    if sides == (None, None):
        return None
    if not all(type(side) in (int, float) and side >= 1 and side % 1 == 0 for side in sides):
        raise ZooError(
            f"{where} has height {sides[0]!r} and width {sides[1]!r}; state both in whole pixels, "
            "or neither"
        )
    return int(sides[0]), int(sides[1])


def _annotations(objects: Iterable[Any], file: Path, lint: Lint) -> Iterator[Annotation]:
    for a in objects:
        with lint.tolerate():
            yield _annotation(a, f"annotation {a.get('id')}", file)


def _annotation(a: Mapping[str, Any], where: str, file: Path) -> Annotation:
    _check(a, f"{file}: {where}", category_id=ID, bbox=(list,))
    try:
        x, y, width, height = map(float, a["bbox"])
    except (OverflowError, TypeError, ValueError) as error:
        raise ZooError(
            f"{file}: {where} needs `bbox` as four numbers x, y, width, height"
        ) from error
    area, crowd = a.get("area"), a.get("iscrowd")
    if area is not None and not (type(area) in (int, float) and 0 <= area <= LARGEST_AREA):
        raise ZooError(f"{file}: {where} has area {area!r}; state pixels², or none for the box's")
    if crowd not in (None, 0, 1):
        raise ZooError(f"{file}: {where} has iscrowd {crowd!r}, not 0 or 1")
    box = (x, y, x + width, y + height)
    return Annotation(box, a["category_id"], where, bool(crowd), area)
