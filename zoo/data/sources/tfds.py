"""TensorFlow Datasets: any detection builder that is prepared as ArrayRecord."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.image import decode_image, encoded_size
from zoo.data.lint import Annotation, Lint, checked_names
from zoo.data.sample import Labels, fingerprint
from zoo.data.sources import COCO_IDS
from zoo.errors import ZooError, nearest

LOG = logging.getLogger(__name__)


class Tfds:
    """A split of a prepared builder with the feature `objects` (`bbox`, `label`); a `Source`.

    Labels are read, and checked, once at the start; images are decoded when asked for. Their EXIF
    orientation is ignored, as by TFDS, whose boxes are of the image as it is stored.

    Args:
        builder: name, config and perhaps version, e.g. `"coco/2017"`, `"voc/2007:4.0.0"`.
        split: name of a split, or a slice of one, e.g. `"train"`, `"validation[:10%]"`.
        root: where builders are kept; by default TFDS' own place (`$TFDS_DATA_DIR`, or
            `~/tensorflow_datasets`).
        on_error: `"error"` or `"skip"`.

    Raises:
        ZooError: not prepared, not as ArrayRecord, not a detection data set, no such split, or a
            fault in the labels.
    """

    def __init__(
        self, *, builder: str | None, split: str, root: str | None = None, on_error: str = "error"
    ):
        if not builder:
            raise ZooError("tfds needs the name of a builder; set data.builder=coco/2017, say")
        self._folder = prepared(builder, root)
        self._records, info = _open(self._folder, split, builder, root)
        self._what = f"tfds {builder} {split}"
        self.class_names = checked_names(self._names(info.features), self._what)
        coco = builder.startswith("coco") and len(self.class_names) == len(COCO_IDS)
        self.category_ids = COCO_IDS if coco else list(range(1, len(self.class_names) + 1))
        self._split = split
        self._kept: list[tuple[int, int | str, tuple[int, int], Labels]] = []
        self._read_labels(Lint(self._what, on_error))

    def _read_labels(self, lint: Lint) -> None:
        LOG.info("%s: reading the labels of %d images", self._what, len(self._records))
        classes = {index: index for index in range(len(self.class_names))}
        ids = set()
        for position in range(len(self._records)):
            with lint.tolerate():
                record = self._records[position]
                id = _id(record, position)
                where = f"{self._what}: image {id!r}"
                if id in ids:
                    raise ZooError(f"{where} is there twice; evaluation tells images by their ids")
                ids.add(id)
                size = encoded_size(_bytes(record["image"]), where, upright=False)
                labels = lint.labels(where, size, self._objects(record, size), classes)
                self._kept.append((position, id, size, labels))
        lint.report()
        if not self._kept:
            raise ZooError(f"{self._what} has no images")

    def _names(self, features: Any) -> list[str]:
        return _class_names(features, self._what)

    def _objects(self, record: Mapping[str, Any], size: tuple[int, int]) -> list[Annotation]:
        return _annotations(record["objects"], size)

    def __len__(self) -> int:
        return len(self._kept)

    def id(self, index: int) -> int | str:
        """`image/id`, else `image/filename`, else the position in the split."""
        return self._kept[index][1]

    def size(self, index: int) -> tuple[int, int]:
        """Height and width, pixels."""
        return self._kept[index][2]

    def labels(self, index: int) -> Labels:
        """The ground truth of an image."""
        return self._kept[index][3]

    def image(self, index: int) -> np.ndarray:
        """The pixels, uint8 (height, width, 3) RGB."""
        position, id, _, _ = self._kept[index]
        encoded, where = _bytes(self._records[position]["image"]), f"{self._what}: image {id!r}"
        return decode_image(encoded, where, upright=False)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over what TFDS recorded of the prepared files, classes, ids and labels."""
        stated = (self._folder / "dataset_info.json").read_text(encoding="utf-8")
        prefix = hashlib.sha256(json.dumps([self._split, stated]).encode()).hexdigest()
        return fingerprint(self, [prefix] + [None] * (len(self) - 1))


class TfdsClasses(Tfds):
    """A split of a builder with `image` and `label`, as `imagenet2012`; a `Source`.

    The class of an image is that of a box over all of it. Arguments and errors are those of `Tfds`.
    """

    def _names(self, features: Any) -> list[str]:
        names = getattr(features["label"], "names", None) if "label" in features else None
        if not names:
            raise ZooError(f"{self._what} is no classification data set: it needs label with names")
        return list(names)

    def _objects(self, record: Mapping[str, Any], size: tuple[int, int]) -> list[Annotation]:
        height, width = size
        return [Annotation((0, 0, width, height), int(record["label"]), "the image")]


# === Finding and opening ===


def prepared(builder: str, root: str | None) -> Path:
    """The folder of the newest prepared version of a builder, without asking TFDS or the network.

    TFDS itself retries its bucket for minutes when a data set is not there.

    Raises:
        ZooError: it is not prepared; the message has the command that prepares it.
    """
    place = Path(root or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
    name, _, version = builder.partition(":")
    found = [file.parent for file in (place / name).glob(f"{version or '*'}/dataset_info.json")]
    if not found:
        raise ZooError(
            f"tfds {builder} is not prepared in {place}; prepare it with: {_recipe(builder, root)}"
        )
    return max(found, key=lambda folder: [part.zfill(8) for part in folder.name.split(".")])


def _recipe(builder: str, root: str | None) -> str:
    where = f", data_dir='{root}'" if root else ""
    return (
        'python -c "import tensorflow_datasets as tfds; '
        f"tfds.builder('{builder}'{where}, file_format='array_record').download_and_prepare()\""
    )


def _open(folder: Path, split: str, builder: str, root: str | None) -> tuple[Any, Any]:
    """Random access to the records of a split, images left encoded; and TFDS' description."""
    import tensorflow_datasets as tfds

    opened = tfds.builder_from_directory(folder)
    formats = {file_format.value for file_format in opened.info.available_file_formats()}
    if "array_record" not in formats:
        raise ZooError(
            f"tfds {builder} in {folder} is prepared as {', '.join(sorted(formats))}, which has no "
            f"random access; move it away and run: {_recipe(builder, root)}"
        )
    name = split.partition("[")[0]
    if name not in opened.info.splits:
        raise ZooError(f"tfds {builder} has no split {name!r}; {nearest(name, opened.info.splits)}")
    if "image" not in opened.info.features:
        raise ZooError(f"tfds {builder} has no feature 'image'; it is no detection data set")
    skip = {"image": tfds.decode.SkipDecoding()}
    return opened.as_data_source(split, decoders=skip), opened.info


def _class_names(features: Any, what: str) -> list[str]:
    try:
        objects = features["objects"]
        objects["bbox"]  # KeyError where there is none
        return list(objects["label"].names)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ZooError(
            f"{what} is no detection data set: it needs objects/bbox and objects/label with names"
        ) from error


# === Reading a record ===


def _id(record: Mapping[str, Any], position: int) -> int | str:
    for key in ("image/id", "image/filename"):
        if key in record:
            value = record[key]
            return value.decode() if isinstance(value, bytes) else np.asarray(value).item()
    return position


def _bytes(encoded: Any) -> bytes:
    return encoded if isinstance(encoded, bytes) else np.asarray(encoded).item()


def _annotations(objects: Any, size: tuple[int, int]) -> list[Annotation]:
    """The objects of one record; their boxes are ymin, xmin, ymax, xmax relative to the image."""
    height, width = size
    columns = _columns(objects)
    crowd = columns.get("is_crowd", columns.get("is_difficult"))
    area = columns.get("area")
    annotations = []
    for row, (box, label) in enumerate(zip(columns["bbox"], columns["label"], strict=True)):
        ymin, xmin, ymax, xmax = map(float, box)
        annotations.append(
            Annotation(
                (xmin * width, ymin * height, xmax * width, ymax * height),
                int(label),
                f"object {row + 1}",
                crowd is not None and bool(crowd[row]),
                None if area is None else float(area[row]),
            )
        )
    return annotations


def _columns(objects: Any) -> Mapping[str, Any]:
    """TFDS gives a sequence of features as a mapping of columns, or as a list of mappings."""
    if isinstance(objects, Mapping):
        return objects
    keys = objects[0] if len(objects) else {"bbox": None, "label": None}
    return {key: [row[key] for row in objects] for key in keys}
