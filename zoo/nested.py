"""Mappings of mappings, as configs and manifests are, by dotted keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(Dotted key, value) of all that is no mapping, or an empty one below the top, in order."""
    if isinstance(value, Mapping) and (value or not path):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def differences(before: Any, now: Any) -> list[tuple[str, Any, Any]]:
    """(Dotted key, value before, value now) of all that differs; None where a key is missing."""
    old, new = dict(leaves(before)), dict(leaves(now))
    return [(k, old.get(k), new.get(k)) for k in {**old, **new} if old.get(k) != new.get(k)]
