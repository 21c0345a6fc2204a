"""The import of Keras and of what it computes with."""

from __future__ import annotations

import gc
import sys


def import_keras() -> None:
    """Import Keras without looking for garbage meanwhile, if nobody has imported it before.

    With TensorFlow it makes 370,000 objects that all stay. Python's garbage collector would look
    through them five or six times until the first detection, which takes half a second to one and a
    half; so it rests meanwhile, and leaves them, and whatever was there before, out of account
    afterwards (`gc.freeze`). What is made later is collected as ever.
    """
    if "keras" in sys.modules:
        return
    enabled = gc.isenabled()
    gc.disable()
    try:
        import keras  # noqa: F401

        if enabled:
            gc.freeze()
    finally:
        if enabled:
            gc.enable()
