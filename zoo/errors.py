"""The one error a user meets, and the nearest right spelling of a name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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
    small = {one.lower(): one for one in reversed(known)}
    found = difflib.get_close_matches(str(name).lower(), small, n=3, cutoff=0.6)
    close = [small[one] for one in found]
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"there are: {', '.join(known)}" if known else "there are none"
