"""Image files on disk with labels in memory: what the folder formats have in common."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.image import SUFFIXES, image_size, read_image
from zoo.data.lint import Annotation, Lint, checked_names
from zoo.data.sample import Labels, fingerprint
from zoo.errors import ZooError

#: Images that are not read, and that no folder is searched for.
OTHER_SUFFIXES = (
    ".avif", ".dng", ".exr", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jxl", ".pbm",
    ".pgm",
)  # fmt: skip


@dataclass(frozen=True)
class Record:
    """One image as its annotation file describes it, unchecked.

    Attributes:
        id: what the format calls the image.
        path: the image file.
        size: height and width that the annotations state, or None if they do not.
        annotations: the objects.
        where: the annotation file, for messages.
    """

    id: int | str
    path: Path
    size: tuple[int, int] | None
    annotations: Sequence[Annotation]
    where: str


@dataclass(frozen=True)
class _Entry:
    id: int | str
    path: Path
    size: tuple[int, int]
    labels: Labels


class ImageFiles:
    """A `Source` over image files.

    Args:
        records: the images; each is checked by `lint`.
        lint: what to do with faults; reports here.
        classes: what the files call a class → its index; None where they say its name.
        class_names: one name for each class.
        category_ids: COCO's id of each class; by default 1, 2, ….
        open_headers: whether to compare each stated size with the image file now, or when it is
            read. Files without a stated size are always opened.

    Raises:
        ZooError: a fault in the labels or files, names that do not tell the classes apart, or no
            image at all.
    """

    def __init__(
        self,
        records: Iterable[Record],
        lint: Lint,
        classes: Mapping[Any, int] | None,
        class_names: Sequence[str],
        category_ids: Sequence[int] | None = None,
        open_headers: bool = True,
    ):
        self.class_names = checked_names(class_names, lint.what)
        classes = classes or {name: index for index, name in enumerate(self.class_names)}
        self.category_ids = list(category_ids or range(1, len(self.class_names) + 1))
        self._entries: list[_Entry] = []
        ids = set()
        for record in records:
            with lint.tolerate():
                if record.id in ids:
                    raise ZooError(
                        f"{lint.what}: image {record.id!r} is listed twice, the second time for "
                        f"{record.path}; remove one of them"
                    )
                ids.add(record.id)
                size = _checked_size(record, open_headers)
                labels = lint.labels(record.where, size, record.annotations, classes)
                self._entries.append(_Entry(record.id, record.path, size, labels))
        lint.report()
        if not self._entries:
            raise ZooError(f"{lint.what} has no images")

    def __len__(self) -> int:
        return len(self._entries)

    def id(self, index: int) -> int | str:
        """What the format calls the image."""
        return self._entries[index].id

    def labels(self, index: int) -> Labels:
        """The ground truth of an image."""
        return self._entries[index].labels

    def size(self, index: int) -> tuple[int, int]:
        """Height and width, pixels."""
        return self._entries[index].size

    def path(self, index: int) -> Path:
        """The image file."""
        return self._entries[index].path

    def image(self, index: int) -> np.ndarray:
        """The pixels, uint8 (height, width, 3) RGB.

        Raises:
            ZooError: the file is unreadable, or not of the size that its labels are for.
        """
        entry = self._entries[index]
        pixels = read_image(entry.path)
        check_stated(entry.path, pixels.shape[:2], entry.size)
        return pixels

    def reduced(self, index: int, reduction: int) -> np.ndarray:
        """As `image`, at a part of its size; see `read_image`."""
        entry = self._entries[index]
        pixels = read_image(entry.path, reduction)
        small = tuple(-(-side // reduction) for side in entry.size)
        if pixels.shape[:2] != small:
            check_stated(entry.path, image_size(entry.path), entry.size)
        return pixels

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over classes, ids, labels, file names and sizes; the folder does not matter."""
        files = ((entry.path.name, entry.path.stat().st_size) for entry in self._entries)
        return fingerprint(self, files)


def _checked_size(record: Record, open_header: bool) -> tuple[int, int]:
    if record.size and not open_header:
        return record.size
    size = image_size(record.path)
    check_stated(record.path, size, record.size or size)
    return size


def check_stated(path: Path, found: Sequence[int], stated: Sequence[int]) -> None:
    """Raise a `ZooError` where an image has another height and width than its labels are for."""
    if tuple(found) != tuple(stated):
        raise ZooError(
            f"image {path} is {found[1]}×{found[0]}, but its labels are for "
            f"{stated[1]}×{stated[0]} (width×height; EXIF orientation applied); replace one of them"
        )


def image_files(folder: Path, lint: Lint) -> list[Path]:
    """The images in a folder and in all below it, sorted; links to folders are followed.

    Noted as passed over are images of formats that are not read, hidden folders (e.g.
    `.ipynb_checkpoints`), and links to folders that are listed anyway. A folder that cannot be read
    is a fault.
    """
    found, seen = [], set()
    folders = [folder]
    links: list[Path] = []  # followed last: a folder that has a path without one goes by that
    while folders or links:
        place = (folders or links).pop(0)
        if (real := os.path.realpath(place)) in seen:
            lint.passed_over.append(f"{place} (a link to {real}, which is listed)")
            continue
        seen.add(real)
        for name in _names(place, lint):
            path = place / name
            if os.path.isdir(path):
                if name.startswith("."):
                    lint.passed_over.append(f"{path} (a hidden folder)")
                else:
                    (links if path.is_symlink() else folders).append(path)
            elif path.suffix.lower() in SUFFIXES:
                found.append(path)
            elif path.suffix.lower() in OTHER_SUFFIXES:
                lint.passed_over.append(f"{path} (a format that is not read)")
    return sorted(found)


def _names(folder: Path, lint: Lint) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        lint.fault(f"folder {folder} cannot be read: {error.strerror}")
        return []


def read_text(path: Path, what: str) -> str:
    """The text of an annotation file.

    Raises:
        ZooError: it cannot be read; `what` it is is part of the message.
    """
    try:
        return read_bytes(path, what).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ZooError(f"{what} {path} is not UTF-8 text") from error


def read_bytes(path: Path, what: str) -> bytes:
    """As `read_text`, for what states its encoding itself."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ZooError(f"{what} {path} cannot be read: {error.strerror}") from error


def existing_folder(root: str | Path | None, what: str) -> Path:
    """`root` as a path.

    Raises:
        ZooError: there is none, or no such folder.
    """
    if not root:
        raise ZooError(f"{what} needs a folder; set data.root=DIR")
    if not (folder := Path(root).expanduser()).is_dir():
        raise ZooError(f"data.root={root} is no folder; {what} needs one")
    return folder
