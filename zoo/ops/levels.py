"""Settings that are one for all levels or one for each."""

from __future__ import annotations

from collections.abc import Mapping
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
