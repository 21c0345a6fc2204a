"""Levels of a pyramid: their strides, and settings that are one for all or one for each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from zoo.errors import ZooError


def per_level(what: str, value: Any, levels: Mapping[str, Any]) -> dict[str, Any]:
    """One value for each level, from one for all or a mapping.

    Args:
        what: the setting, as an error should call it.
        value: a value, or a mapping by level.
        levels: its keys are the levels, e.g. `"P5"`.

    Raises:
        ZooError: the mapping has other levels.
    """
    if not isinstance(value, Mapping):
        return dict.fromkeys(levels, value)
    if set(value) != set(levels):
        raise ZooError(f"{what} has levels {sorted(value)}, the head has {sorted(levels)}")
    return dict(value)


def stride(level: str) -> int:
    """Pixels of the input that one cell of a level covers: 2ⁿ for `"Pn"`.

    What follows the number tells levels of one stride apart, as in `"P5_2"`.

    Raises:
        ZooError: the name is not of this form.
    """
    found = re.fullmatch(r"P(\d+)(_\d+)?", level)
    if not found:
        raise ZooError(f"no level {level!r}: the level of stride 2ⁿ is 'Pn', as 'P5'")
    return 2 ** int(found[1])


def coarsest_first(levels: Iterable[str]) -> list[str]:
    """Levels by falling stride: P10 is before P9, which a sort of the names would change."""
    return sorted(levels, key=stride, reverse=True)
