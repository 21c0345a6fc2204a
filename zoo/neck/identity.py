"""No neck at all."""

from __future__ import annotations

from typing import Any


def identity(pyramid: dict[str, Any]) -> dict[str, Any]:
    """The pyramid as it is, for a backbone that has its own neck."""
    return dict(pyramid)
