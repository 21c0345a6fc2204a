"""The grammar of Darknet's `.cfg` files, its quirks included [parser.c:read_cfg, option_list.c].

Text in, sections with line numbers out. What a section means is in `zoo.darknet.sections`.
"""

from __future__ import annotations

import codecs
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from zoo.errors import ZooError

log = logging.getLogger(__name__)

#: A text longer than this is no cfg; the longest official one has 30 kB.
MAX_BYTES = 1 << 22
#: No sensible network has a count or a side larger than this.
MAX_COUNT = 1 << 20
ALIASES = {
    "avg": "avgpool",
    "conn": "connected",
    "conv": "convolutional",
    "local_avg": "local_avgpool",
    "max": "maxpool",
    "network": "net",
    "silence": "empty",
    "soft": "softmax",
}
INTEGER = re.compile(r"[+-]?\d+")
#: How editors of Windows may begin a text.
MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Entry:
    """The value of a key, without whitespace, and the line that gives it."""

    value: str
    line: int


@dataclass
class Section:
    """One `[kind]` with its keys.

    Attributes:
        kind: the name, aliases resolved: `"convolutional"` for `[conv]` too.
        line: where it begins, from 1.
        source: the file, as an error should call it.
        index: Darknet's number of the layer, −1 for `[net]`.
        entries: by key; of several equal keys the first counts.
    """

    kind: str
    line: int
    source: str
    index: int
    entries: dict[str, Entry] = field(default_factory=dict)

    def error(self, message: str, key: str | None = None) -> ZooError:
        """An error that names the file, the line and the section."""
        line = self.entries[key].line if key in self.entries else self.line
        layer = f", layer {self.index}" if self.index >= 0 else ""
        return ZooError(f"{self.source}, line {line}, [{self.kind}]{layer}: {message}")

    def text(self, key: str, default: str) -> str:
        """The value as it stands."""
        return self.entries[key].value if key in self.entries else default

    def integer(self, key: str, default: int) -> int:
        """The value as C's atoi reads it: digits up to anything else, 0 without any."""
        return _atoi(self.entries[key].value) if key in self.entries else default

    def number(self, key: str, default: float) -> float:
        """The value as C's atof reads it."""
        return _atof(self.entries[key].value) if key in self.entries else default

    def count(self, key: str, default: int, *, least: int = 1) -> int:
        """An integer that sizes something.

        Raises:
            ZooError: it is below `least` or absurdly large.
        """
        value = self.integer(key, default)
        if not least <= value <= MAX_COUNT:
            raise self.error(f"{key}={value} must be from {least} to {MAX_COUNT:,}", key)
        return value

    def integers(self, key: str) -> list[int]:
        """A comma-separated list up to an inline `#`; an empty item is 0, as in Darknet."""
        return [_atoi(item) for item in self._items(key)]

    def numbers(self, key: str) -> list[float]:
        """As `integers`, of floats."""
        return [_atof(item) for item in self._items(key)]

    def _items(self, key: str) -> list[str]:
        return self.entries[key].value.split("#")[0].split(",") if key in self.entries else []


@dataclass(frozen=True)
class Cfg:
    """A parsed `.cfg`.

    Attributes:
        net: the section `[net]`.
        layers: the other sections; their place is Darknet's layer index.
        text: what was parsed, to the byte.
        source: the file, as an error should call it.
        malformed: what is said of lines that were ignored.
    """

    net: Section
    layers: list[Section]
    text: str
    source: str
    malformed: tuple[str, ...] = ()


def read_cfg(path: str | os.PathLike[str]) -> Cfg:
    """Read and parse a `.cfg` file; the log has its malformed lines.

    Raises:
        ZooError: it cannot be read, is too long, or is no cfg.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ZooError(f"{path} cannot be read: {error.strerror or error}") from error
    if content.startswith(MARKS):
        raise ZooError(
            f"{path} begins with a byte-order mark, which Darknet does not read; save it as UTF-8 "
            "without one"
        )
    if b"\0" in content:
        raise ZooError(f"{path} is no cfg: it holds NUL bytes, as weights or a picture do")
    # Surrogates keep bytes that are no UTF-8, so that `to_bytes` gives the file again.
    cfg = parse(content.decode("utf-8", "surrogateescape"), Path(path).name)
    for message in cfg.malformed:
        log.warning(message)
    return cfg


def to_bytes(text: str) -> bytes:
    """The bytes of the file that `text` was read from."""
    return text.encode("utf-8", "surrogateescape")


def parse(text: str, source: str = "cfg") -> Cfg:
    """Parse the text of a cfg.

    All whitespace of a line is deleted, within values too; a line that is then empty or begins with
    `#` or `;` is skipped; of equal keys of a section the first counts. A line without a value is
    ignored, as in Darknet, and reported in `malformed`.

    Raises:
        ZooError: the text is absurdly long, or does not begin with [net].
    """
    if len(text) > MAX_BYTES:
        raise ZooError(f"{source} has more than {MAX_BYTES:,} characters: it is no Darknet cfg")
    sections: list[Section] = []
    malformed: list[str] = []
    for line, content in _lines(text):
        if content.startswith("["):
            sections.append(_section(content, line, source, len(sections) - 1))
            continue
        key, equals, value = content.partition("=")
        if not sections:
            raise ZooError(f"{source}, line {line}: {content[:40]!r} stands before any [section]")
        if not equals or not value:
            where = f"{source}, line {line}, [{sections[-1].kind}]"
            malformed.append(f"{where}: malformed line ignored: {content[:80]!r}")
            continue
        sections[-1].entries.setdefault(key, Entry(value, line))
    if not sections or sections[0].kind != "net":
        raise ZooError(f"{source} is no Darknet cfg: its first section must be [net]")
    return Cfg(sections[0], sections[1:], text, source, tuple(malformed))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for line, content in enumerate(text.split("\n"), start=1):
        content = re.sub(r"[ \t\r\n]", "", content)
        if content and content[0] not in "#;":
            yield line, content


def _section(content: str, line: int, source: str, index: int) -> Section:
    kind = content[1:].removesuffix("]")
    return Section(ALIASES.get(kind, kind), line, source, index)


def _atoi(text: str) -> int:
    found = INTEGER.match(text)
    return int(found[0][:20]) if found else 0


def _atof(text: str) -> float:
    found = FLOAT.match(text)
    return float(found[0]) if found else 0.0
