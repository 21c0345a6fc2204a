"""Text files of relative boxes, as Darknet and its successors keep them."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from zoo.data.image import image_size
from zoo.data.lint import Annotation, Lint, names_of_lines
from zoo.data.sources import SPLITS
from zoo.data.sources.files import (
    ImageFiles,
    Record,
    existing_folder,
    image_files,
    read_text,
)
from zoo.errors import ZooError, nearest

LOG = logging.getLogger(__name__)
#: Folders of images that have a folder `labels` beside them.
IMAGES = ("images", "JPEGImages")


@dataclass(frozen=True)
class _Description:
    """What a `data.yaml` or a Darknet `.data` file says."""

    file: Path
    class_names: list[str]
    base: Path
    splits: dict[str, Any]


def yolo(
    *,
    root: str | None,
    split: str,
    missing_labels: str = "error",
    on_error: str = "error",
) -> ImageFiles:
    """Images, each with a text file of lines `class cx cy w h`, relative to the image.

    `root` holds a `data.yaml` (`names`, and paths for `train`, `val`, `test`) or a Darknet `*.data`
    file (`names`, `train`, `valid`). A path is a folder of images, or a text file that lists them.
    Labels are in `labels/` where the image is in `images/` or `JPEGImages/`, or beside the image.

    Args:
        root: the folder of the data set.
        split: `"train"`, `"val"` or `"test"`.
        missing_labels: an image without a text file is an `"error"`, or `"background"` as for
            Darknet, unless all are. An empty text file is always background.
        on_error: `"error"` or `"skip"`.

    Raises:
        ZooError: a missing file, or a fault in the labels.
    """
    if missing_labels not in ("error", "background"):
        known = nearest(missing_labels, ("error", "background"))
        raise ZooError(f"data.missing_labels={missing_labels} is not known; {known}")
    described = _describe(existing_folder(root, "yolo"))
    lint = Lint(f"yolo {described.file} {split}", on_error)
    names = described.class_names
    return ImageFiles(
        _records(_images(described, split, lint), described.base, missing_labels, lint),
        lint,
        classes={index: index for index in range(len(names))},
        class_names=names,
    )


# === Which images ===


def _describe(root: Path) -> _Description:
    files = [*root.glob("data.yaml"), *root.glob("data.yml"), *root.glob("*.data")]
    if not files:
        raise ZooError(f"{root} has neither data.yaml nor a Darknet .data file")
    if len(files) > 1:
        listed = ", ".join(file.name for file in files)
        raise ZooError(f"{root} has {listed}; which one is meant? keep one of them there")
    return (_darknet_data if files[0].suffix == ".data" else _data_yaml)(files[0])


class _AsWritten(yaml.SafeLoader):
    """Numbers stay the text that they are: class 1.10 is not 1.1, nor 007 the class 7."""


for _number in ("int", "float"):
    _AsWritten.add_constructor(f"tag:yaml.org,2002:{_number}", lambda _, node: str(node.value))


def _data_yaml(file: Path) -> _Description:
    text = read_text(file, "data set description")
    try:
        content, written = (yaml.load(text, loader) for loader in (yaml.SafeLoader, _AsWritten))
    except yaml.YAMLError as error:
        raise ZooError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    names = written.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict) and set(content["names"]) == set(range(len(names))):
        names = [name for _, name in sorted(zip(content["names"], names.values(), strict=True))]
    if not isinstance(names, list) or not names:
        raise ZooError(f"{file} needs `names`: a list of classes, or a mapping from 0, 1, 2, …")
    if str(content.get("nc") or len(names)) != str(len(names)):
        raise ZooError(f"{file} says nc={content['nc']}, but `names` has {len(names)} classes")
    base = file.parent / Path(str(content.get("path") or ".")).expanduser()
    return _Description(file, names, base, content)


def _darknet_data(file: Path) -> _Description:
    lines = [line.split("#")[0] for line in read_text(file, "data set description").splitlines()]
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    content = {key.strip(): value.strip() for key, value in pairs}
    if "names" not in content:
        raise ZooError(f"{file} needs `names = FILE`, the file of class names")
    listed = _beside(file.parent, content["names"])
    names = names_of_lines(read_text(listed, "file of class names"), str(listed))
    if content.get("classes", str(len(names))) != str(len(names)):
        raise ZooError(
            f"{file} says classes={content['classes']}, but {listed} has {len(names)} classes"
        )
    return _Description(file, names, file.parent, {**content, "val": content.get("valid")})


def _beside(base: Path, path: str) -> Path:
    """A path as written: from the description's folder, or else from the working directory.

    Darknet resolves paths from where it is started, often the folder above, as `data/train.txt` of
    `data/obj.data`; exporters write `../train/images` for a folder that is beside the description.
    Backslashes, as on Windows, stand for `/` where there is no such file.
    """
    spellings = dict.fromkeys((path, path.replace("\\", "/")))
    candidates = [place for written in spellings for place in _places(base, written)]
    return next((c for c in candidates if c.exists()), candidates[0])


def _places(base: Path, path: str) -> list[Path]:
    written = Path(path).expanduser()
    above = base.absolute().parent
    return [base / written, written, base / path.removeprefix("../"), above / written]


def _images(described: _Description, split: str, lint: Lint) -> list[Path]:
    entry = described.splits.get(split)
    if not entry:
        known = nearest(split, (key for key in SPLITS if described.splits.get(key)))
        raise ZooError(f"no split {split!r} in {described.file}; {known}")
    paths = [str(path) for path in (entry if isinstance(entry, list) else [entry])]
    images = [image for path in paths for image in _listed(described, split, path, lint)]
    if not images:
        lint.report()  # perhaps there are some of another format
        raise ZooError(f"split {split!r} of {described.file} is empty: no images in {entry}")
    return images


def _listed(described: _Description, split: str, path: str, lint: Lint) -> list[Path]:
    place = _beside(described.base, path)
    if place.is_dir():
        return image_files(place, lint)
    if not place.is_file():
        raise ZooError(f"{place}, split {split!r} of {described.file}, is missing")
    lines = (line.strip() for line in read_text(place, "list of images").splitlines())
    return [_beside(place.parent, line) for line in lines if line]


# === Their labels ===


def _records(
    images: Sequence[Path], base: Path, missing_labels: str, lint: Lint
) -> Iterator[Record]:
    missing = 0
    for image, id in zip(images, _ids(images, base), strict=True):
        with lint.tolerate():
            if "\\" in image.name and not image.exists():
                raise ZooError(
                    f"image {image} is missing: its list was written on Windows; write paths as "
                    "they are here, or from the folder of the list"
                )
            size = image_size(image)
            file = _label_file(image)
            missing += file is None
            if file is None and missing_labels == "error":
                raise ZooError(
                    f"image {image} has no text file of labels; if it shows no object, add an "
                    "empty one or set data.missing_labels=background"
                )
            annotations = [] if file is None else _annotations(file, size)
            yield Record(id, image, size, annotations, str(file))
    if missing == len(images):
        raise ZooError(
            f"{lint.what}: no image has a text file of labels, so that all would be background; "
            f"the first is looked for at {' and '.join(map(str, _label_places(images[0])))}"
        )
    if missing and missing_labels == "background":
        LOG.info("%s: %d of %d images without a text file of labels are background",
                 lint.what, missing, len(images))  # fmt: skip


def _ids(images: Sequence[Path], base: Path) -> list[str]:
    """Paths from `base`; of images outside it their names, if those are theirs alone.

    A list may repeat images, which are then seen more often: those are `"ID #2"` and so on.
    """
    short = [_below(base, image) or image.name for image in images]
    count, seen = Counter(short), Counter[str]()
    ids = []
    for name, image in zip(short, images, strict=True):
        id = name if count[name] == 1 else os.path.relpath(image, base)
        seen[id] += 1
        ids.append(id if seen[id] == 1 else f"{id} #{seen[id]}")
    return ids


def _below(base: Path, image: Path) -> str | None:
    """The path of an image from `base`, as written if it can be; None if it is outside."""
    for place, path in (
        (base.absolute(), image.absolute()),  # one of them may be relative
        (Path(os.path.abspath(base)), Path(os.path.abspath(image))),
    ):
        if path.is_relative_to(place):
            return str(path.relative_to(place))
    return None


def _label_file(image: Path) -> Path | None:
    """The text file of an image, None if there is none.

    Raises:
        ZooError: there are two, and they differ.
    """
    found = []
    for path in _label_places(image):
        files = (path.with_suffix(suffix) for suffix in (".txt", ".TXT"))
        found += [file for file in files if file.is_file()][:1]
    if len(found) > 1 and len({read_text(file, "file of labels").strip() for file in found}) > 1:
        raise ZooError(f"image {image} has labels in {found[0]} and others in {found[1]}; "
                       "remove one of the files")  # fmt: skip
    return found[0] if found else None


def _label_places(image: Path) -> list[Path]:
    """Where the text file of an image may be, that of its folder of labels first."""
    parts = list(image.parts)
    last = max((index for index, part in enumerate(parts) if part in IMAGES), default=None)
    beside = image.with_suffix(".txt")
    if last is None:
        return [beside]
    parts[last] = "labels"
    return [Path(*parts).with_suffix(".txt"), beside]


def _annotations(file: Path, size: tuple[int, int]) -> list[Annotation]:
    lines = enumerate(read_text(file, "file of labels").splitlines(), 1)
    return [_annotation(file, number, line, size) for number, line in lines if line.strip()]


def _annotation(file: Path, number: int, line: str, size: tuple[int, int]) -> Annotation:
    try:
        category, cx, cy, w, h = line.split()
        cx_norm, cy_norm, w_norm, h_norm = map(float, (cx, cy, w, h))
        index = int(category)
    except ValueError as error:
        raise ZooError(
            f"{file}: line {number} is not `class cx cy w h`: {line.strip()!r}"
        ) from error
    height, width = size
    box = (
        (cx_norm - w_norm / 2) * width, (cy_norm - h_norm / 2) * height,
        (cx_norm + w_norm / 2) * width, (cy_norm + h_norm / 2) * height,
    )  # fmt: skip
    return Annotation(box, index, f"line {number}")
