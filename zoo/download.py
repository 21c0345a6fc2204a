"""Files from the net, kept in a cache: verified before anything reads them, offline afterwards."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from zoo.errors import ZooError
from zoo.files import file_sha256

TIMEOUT = 30  # seconds without a byte
CHUNK = 1 << 20  # bytes


@dataclass(frozen=True)
class File:
    """A file known by its content.

    Attributes:
        filename: its name in the cache and in a mirror, without a directory.
        size: bytes.
        sha256: hex digest.
    """

    filename: str
    size: int
    sha256: str

    def mismatch(self, path: Path) -> str | None:
        """How the file at `path` differs, None where it is the one."""
        if (size := path.stat().st_size) != self.size:
            return f"has {size:,} bytes, not {self.size:,}"
        digest = file_sha256(path)
        return None if digest == self.sha256 else f"has sha256 {digest}, not {self.sha256}"


class Unavailable(Exception):
    """A place does not have the file, or cannot be reached."""


def cache_directory() -> Path:
    """Where files are kept: `ZOO_CACHE`, by default `zoo` in the platform's cache directory."""
    if named := os.environ.get("ZOO_CACHE"):
        return Path(named).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "zoo"
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    return Path(os.environ.get(variable) or Path.home() / ".cache") / "zoo"


def fetch(url: str, *, filename: str, size: int, sha256: str) -> Path:
    """The verified local copy of a file: of the cache, else of `ZOO_MIRROR`, else downloaded.

    `ZOO_MIRROR` is a directory, whose files are used where they are, or an http(s) address; either
    holds the file as `filename`. A download that was cut continues where it ended. The cached file
    appears whole or not at all, whoever else fetches it at the same time.

    Args:
        url: where it is published, http or https.
        filename: its name in the cache and in the mirror.
        size: bytes.
        sha256: hex digest.

    Raises:
        ZooError: no place has it (the message tells how to put it there by hand), or a place
            answers with something else.
    """
    wanted = File(filename, size, sha256.lower())
    if Path(filename).name != filename or filename in {"", ".", ".."}:
        raise ZooError(f"filename {filename!r} must be a plain name without directories")
    target = cache_directory() / filename
    if target.is_file() and wanted.mismatch(target) is None:
        return target
    failures = []
    for place in _places(url, filename):
        try:
            if isinstance(place, Path):
                return _from_directory(place, wanted)
            return _into_cache(place, target, wanted)
        except Unavailable as error:
            failures.append(f"{place}: {error}")
    raise ZooError(_by_hand(url, target, wanted, failures))


def _places(url: str, filename: str) -> Iterator[Path | str]:
    mirror = os.environ.get("ZOO_MIRROR")
    if mirror and "://" in mirror:
        yield f"{mirror.rstrip('/')}/{quote(filename)}"
    elif mirror:
        yield Path(mirror).expanduser() / filename
    yield url


def _by_hand(url: str, target: Path, wanted: File, failures: list[str]) -> str:
    found = f"; the file there now {wanted.mismatch(target)}" if target.is_file() else ""
    return (
        f"{wanted.filename} is not available ({'; '.join(failures)}). Fetch {url} "
        f"({wanted.size} bytes, sha256 {wanted.sha256}) elsewhere and put it at {target}{found}"
    )


def _from_directory(path: Path, wanted: File) -> Path:
    """A mirror's file, in place: the mirror may be read-only, and a copy would cost space."""
    if not path.is_file():
        raise Unavailable("no such file")
    if mismatch := wanted.mismatch(path):
        raise ZooError(f"{path} of ZOO_MIRROR {mismatch}; replace it")
    return path


def _into_cache(url: str, target: Path, wanted: File) -> Path:
    """Download to a partial file beside `target`, verify it, and only then give it its name."""
    try:
        scheme = urlsplit(url).scheme
    except ValueError as error:  # as of a bracket that is not closed
        raise ZooError(f"{url} is not an http or https address: {error}") from error
    if scheme not in ("http", "https"):
        raise ZooError(f"{url} is not an http or https address")
    part = target.with_name(f"{target.name}.{wanted.sha256[:8]}.part")
    with filling(target):
        if target.is_file() and wanted.mismatch(target) is None:
            return target  # another process was faster
        _download(url, part, wanted)
        if mismatch := wanted.mismatch(part):
            part.unlink()
            raise ZooError(f"what {url} sent {mismatch}; nothing was kept, try again")
        os.replace(part, target)
    return target


@contextlib.contextmanager
def filling(target: Path) -> Iterator[None]:
    """Keep other processes out of the block, which puts `target` into the cache.

    Raises:
        ZooError: something cannot be written there.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with alone(target.with_name(f"{target.name}.lock")):
            yield
    except OSError as error:
        raise ZooError(
            f"{target} cannot be written: {error.strerror or error}; "
            "set ZOO_CACHE to a directory with room"
        ) from error


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Keep other processes out of the block; a lock ends with its process, however that ends."""
    with lock.open("w") as file:
        try:
            import fcntl
        except ImportError:
            # Windows: two processes may spoil each other's partial file; the hash then refuses it.
            yield
            return
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# === One transfer ===


def _download(url: str, part: Path, wanted: File) -> None:
    """Fill `part` up to `wanted.size`; after a cut go on as long as each attempt brings bytes."""
    with _progress(wanted) as progress:
        while (before := _size(part)) < wanted.size:
            try:
                _transfer(url, part, wanted, progress)
                cause = "the connection was cut"
            except (_Network, HTTPException) as error:
                cause = str(error) or type(error).__name__
            if _size(part) <= before:
                raise Unavailable(cause)


class _Network(Exception):
    """A socket failed, told apart from a disk that did."""


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _transfer(url: str, part: Path, wanted: File, progress: Any) -> None:
    start = _size(part)
    with _open(url, start) as response:
        if response.status != 206:
            start = 0  # the server sends all of it
        _check_length(url, response, wanted.size - start, wanted)
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            while chunk := _read(response, wanted.size - file.tell() + 1):
                file.write(chunk)
                progress(file.tell())
                if file.tell() > wanted.size:
                    file.truncate(0)
                    raise ZooError(f"{url} sends more than the {wanted.size:,} bytes expected")
            file.flush()
            os.fsync(file.fileno())


def _open(url: str, start: int) -> Any:
    headers = {"User-Agent": "keras-yolo-zoo", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        return urlopen(Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        error.close()
        raise Unavailable(f"HTTP {error.code} {error.reason}") from error
    except ValueError as error:
        if not url.isascii():
            raise ZooError(f"{url} is not ASCII; write its other characters as %…") from error
        raise Unavailable(f"a malformed address: {error}") from error  # it redirects there
    except OSError as error:  # URLError too: no route, no name, refused, TLS, time-out
        raise _Network(str(getattr(error, "reason", error))) from error


def _read(response: Any, limit: int) -> bytes:
    try:
        return response.read1(min(CHUNK, limit))
    except OSError as error:
        raise _Network(str(error)) from error


def _check_length(url: str, response: Any, expected: int, wanted: File) -> None:
    """Refuse a web page or another file before a byte of it is kept."""
    kind = response.headers.get_content_type()
    length = response.headers.get("Content-Length")
    if length is not None and not length.isdecimal():
        raise ZooError(f"{url} answers with Content-Length {length!r}, which is no number")
    if length is not None and int(length) != expected:
        raise ZooError(
            f"{url} answers with {int(length):,} bytes of {kind} where {expected:,} of "
            f"{wanted.filename} were expected"
        )
    if kind == "text/html":
        raise ZooError(f"{url} answers with a web page, not with {wanted.filename}")


@contextlib.contextmanager
def _progress(wanted: File) -> Iterator[Any]:
    """A function of the bytes that are there; a bar where a person is watching."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(wanted.filename, total=wanted.size)
        yield lambda done: bar.update(task, completed=done)
