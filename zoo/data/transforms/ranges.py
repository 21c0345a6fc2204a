"""Ranges of the keywords of transforms."""

from __future__ import annotations


def check_range(least: float, most: float, **values: float) -> None:
    """Refuse values that would run and mean nothing, as a share of 7; NaN is in no range.

    Raises:
        ValueError: one is below `least` or above `most`; the chain says of which transform.
    """
    for key, value in values.items():
        if not least <= value <= most:
            raise ValueError(f"{key} is a number from {least} to {most}")
