"""Numbers of a config that would run and mean nothing, as a share of 7."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, NamedTuple

from zoo.errors import ZooError


class Range(NamedTuple):
    """Which numbers fit, and how a message says so."""

    words: str
    holds: Callable[[float], bool]


SHARE = Range("from 0 to 1", lambda value: 0 <= value <= 1)
BELOW_ONE = Range("from 0 to below 1", lambda value: 0 <= value < 1)
PROBABILITY = Range("between 0 and 1", lambda value: 0 < value < 1)
WEIGHT = Range("at least 0", lambda value: value >= 0)
FACTOR = Range("at least 1", lambda value: value >= 1)
ABOVE_ONE = Range("above 1", lambda value: value > 1)
POSITIVE = Range("above 0", lambda value: value > 0)
BYTE = Range("from 0 to 255", lambda value: 0 <= value <= 255)


def check_number(key: str, value: Any, fits: Range) -> None:
    """Refuse what is no finite number of a range.

    Args:
        key: the setting, as an error should call it.
        value: of it.
        fits: the range.

    Raises:
        ZooError: names the key, its value and what fits.
    """
    if not is_in(value, fits):
        raise ZooError(f"{key}={value}: must be a number {fits.words}")


def is_in(value: Any, fits: Range) -> bool:
    """Whether it is a finite number of a range; true and false are none."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    return number and math.isfinite(value) and fits.holds(float(value))


def check_whole(key: str, value: Any, *, least: int) -> None:
    """Refuse what is no whole number, or is too small.

    Raises:
        ZooError: names the key, its value and what fits.
    """
    # True is no number here, though Python has it as 1.
    if not isinstance(value, Integral) or isinstance(value, bool) or int(value) < least:
        raise ZooError(f"{key}={value}: must be a whole number, at least {least}")
