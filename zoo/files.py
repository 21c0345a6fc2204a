"""Files that appear whole or not at all, whenever the process or the machine stops."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import tempfile
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
        raise _unwritten(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        commit(written, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            written.unlink()
        if isinstance(error, OSError):
            raise _unwritten(path, error) from error
        raise


@contextlib.contextmanager
def exporting_into(path: Path) -> Iterator[Path]:
    """As `exporting`, but a path in an empty folder beside, to write a file or a directory to.

    Files beside it, as weights beside a graph, come along under their own names.

    Raises:
        ZooError: something cannot be written; what was there is as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            yield Path(folder) / path.name
            for written in sorted(file for file in Path(folder).rglob("*") if file.is_file()):
                target = path.parent / written.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                commit(written, target)
    except OSError as error:
        raise _unwritten(path, error) from error


def _unwritten(path: Path, error: OSError) -> ZooError:
    return ZooError(f"{path} cannot be written: {error.strerror or error}")


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
