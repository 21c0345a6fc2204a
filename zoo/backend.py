"""The import of Keras and of what it computes with."""

from __future__ import annotations

import gc
import os
import sys

from zoo.errors import ZooError, nearest

BACKENDS = ("tensorflow", "jax", "torch")


def import_keras() -> None:
    """Import Keras without looking for garbage meanwhile, if nobody has imported it before.

    With TensorFlow it makes 370,000 objects that all stay. Python's garbage collector would look
    through them five or six times until the first detection, which takes half a second to one and a
    half; so it rests meanwhile, and leaves them, and whatever was there before, out of account
    afterwards (`gc.freeze`). What is made later is collected as ever.

    Raises:
        ZooError: there is no backend such as KERAS_BACKEND names, or it is not installed.
    """
    if "keras" in sys.modules:
        return
    if (name := os.environ.get("KERAS_BACKEND", BACKENDS[0])) not in BACKENDS:
        raise ZooError(f"KERAS_BACKEND={name}: no such backend; {nearest(name, BACKENDS)}")
    enabled = gc.isenabled()
    gc.disable()
    try:
        import keras  # noqa: F401

        if enabled:
            gc.freeze()
    except ModuleNotFoundError as error:
        if error.name not in BACKENDS:
            raise
        raise ZooError(
            f"the backend of Keras, {error.name}, is not installed: pip install "
            f"'keras-yolo-zoo[{error.name}]', or set KERAS_BACKEND=tensorflow"
        ) from error
    finally:
        if enabled:
            gc.enable()
