"""Files that appear whole or not at all, whenever the process or the machine stops."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from zoo.errors import ZooError

#: How the name of a file begins that is still being written; a killed process leaves it behind.
UNFINISHED = "unfinished-"


@contextlib.contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, gone if the block fails. `commit` gives it its name."""
    beside = path.with_name(UNFINISHED + path.name)
    try:
        yield beside
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def commit(written: Path, path: Path) -> None:
    """Put `written` in the place of `path`: the data are on the disk before the name is."""
    sync(written)
    os.replace(written, path)
    sync(path.parent)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write to that takes the place of `path` once the block is through.

    Raises:
        OSError: the disk is full, the folder read-only …; `path` is as it was.
    """
    with unfinished(path) as beside:
        yield beside
        commit(beside, path)


@contextlib.contextmanager
def exporting(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """As `replacing`, but an open file, in a place that a user names, where others may write too.

    Raises:
        ZooError: it cannot be written.
    """
    path = Path(path)
    written = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        # With the rights that the umask leaves, which nobody can read without changing it.
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        raise ZooError(f"{path} cannot be written: {error.strerror or error}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        os.replace(written, path)
    except BaseException:
        with contextlib.suppress(OSError):
            written.unlink()
        raise


def write_text(path: Path, text: str) -> None:
    """Write a small text file, whole or not at all."""
    with replacing(path) as written:
        written.write_text(text, encoding="utf-8")


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk.

    Windows waits for files that are open for writing, and for no folder.
    """
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """SHA-256 of the bytes of a file, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
