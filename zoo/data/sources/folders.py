"""A folder for each class, as ImageNet is often kept: for classification."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from zoo.data.image import image_size
from zoo.data.lint import Annotation, Lint
from zoo.data.sources import SPLITS
from zoo.data.sources.files import ImageFiles, Record, existing_folder, image_files
from zoo.errors import ZooError, nearest


def folders(
    *,
    root: str | None,
    split: str,
    splits: Sequence[str] = (),
    class_names: Sequence[str] | None = None,
    on_error: str = "error",
) -> ImageFiles:
    """Images in `root/split/class/`; the class of an image is that of a box over all of it.

    Images in folders inside that of a class are of this class too; hidden folders are none.

    Args:
        root: the folder that holds the splits.
        split: name of a folder in it, e.g. `"train"`.
        splits: names of all splits, besides `"train"`, `"val"` and `"test"`: what else is there, as
            `runs`, holds no classes.
        class_names: the classes in their order; by default the names of the folders in all splits,
            sorted.
        on_error: `"error"` or `"skip"`.

    Raises:
        ZooError: no such folder, a folder of a class that `class_names` lacks, or an image that
            cannot be decoded.
    """
    place = existing_folder(root, "folders")
    beside = _subfolders(place)
    if split not in beside:
        raise ZooError(f"no split {split!r} in {place}; {nearest(split, beside)}")
    others = set(beside).intersection([split, *splits, *SPLITS])
    found = {name for other in others for name in _subfolders(place / other)}
    names = class_names or sorted(found)
    lint = Lint(f"folders {place} {split}", on_error)
    return ImageFiles(
        _records(place / split, names, lint),
        lint,
        classes=None,
        class_names=names,
    )


def _subfolders(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")]


def _records(folder: Path, names: Sequence[str], lint: Lint) -> Iterator[Record]:
    known = set(names)
    for path in image_files(folder, lint):
        name = path.relative_to(folder)
        if len(name.parts) == 1:
            lint.passed_over.append(f"{path} (in no folder of a class)")
            continue
        category = name.parts[0]
        with lint.tolerate():
            if category not in known:  # left to `lint`, the image would stay, without its class
                hint = nearest(category, known)
                raise ZooError(f"image {path} is of the unknown class {category!r}; {hint}")
            height, width = image_size(path)
            whole = Annotation((0, 0, width, height), category, "the image")
            yield Record(name.as_posix(), path, (height, width), [whole], str(path))
