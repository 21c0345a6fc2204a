"""The one error a user meets, the nearest right spelling of a name, and a check of numbers."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from numbers import Integral
from typing import Any


class ZooError(ValueError):
    """A user's mistake, said in one sentence: what, where, and the remedy.

    Commands print it without a traceback and exit with status 2.
    """

    #: By this Keras knows an error to which it has nothing to add: otherwise one that passes a
    #: layer comes out as a page about what the layer was called with.
    _keras_call_info_injected = True


class PartFailed(ZooError):
    """A third party's part raised what its `__cause__` is."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggest the known names closest to `name`, as the tail of an error message."""
    known = sorted(known)
    close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"there are: {', '.join(known)}" if known else "there are none"


def check_whole(key: str, value: Any, *, least: int) -> None:
    """Refuse what is no whole number, or is too small.

    Raises:
        ZooError: names the key, its value and what fits.
    """
    # True is no number here, though Python has it as 1.
    if not isinstance(value, Integral) or isinstance(value, bool) or int(value) < least:
        raise ZooError(f"{key}={value}: must be a whole number, at least {least}")
