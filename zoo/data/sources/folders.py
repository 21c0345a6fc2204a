"""A folder for each class, as ImageNet is often kept: for classification."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from zoo.data.image import SUFFIXES, image_size
from zoo.data.lint import Annotation, Lint
from zoo.data.sources.files import ImageFiles, Record, existing_folder
from zoo.errors import ZooError, nearest


def folders(
    *,
    root: str | None,
    split: str,
    class_names: Sequence[str] | None = None,
    on_error: str = "error",
) -> ImageFiles:
    """Images in `root/split/class/`; the class of an image is that of a box over all of it.

    Args:
        root: the folder that holds the splits.
        split: name of a folder in it, e.g. `"train"`.
        class_names: the classes in their order; by default the names of the folders, sorted.
        on_error: `"error"` or `"skip"`.

    Raises:
        ZooError: no such folder, or an image that cannot be decoded.
    """
    place = existing_folder(root, "folders")
    splits = [path.name for path in place.iterdir() if path.is_dir()]
    if split not in splits:
        raise ZooError(f"no split {split!r} in {place}; {nearest(split, splits)}")
    found = {path.name for name in splits for path in (place / name).iterdir() if path.is_dir()}
    lint = Lint(f"folders {place} {split}", on_error)
    return ImageFiles(
        _records(place / split, lint),
        lint,
        classes=None,
        class_names=class_names or sorted(found),
    )


def _records(folder: Path, lint: Lint) -> Iterator[Record]:
    for path in sorted(folder.glob("*/*")):
        if path.suffix.lower() in SUFFIXES:
            with lint.tolerate():
                height, width = image_size(path)
                whole = Annotation((0, 0, width, height), path.parent.name, "the image")
                yield Record(
                    f"{path.parent.name}/{path.name}", path, (height, width), [whole], str(path)
                )
