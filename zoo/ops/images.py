"""Images as networks take them."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def in_unit_range(images: Any) -> Any:
    """Images of bytes, 0 to 255, as float32 in [0, 1]; of floats as they are.

    The training input comes as bytes, a quarter of the size, and becomes floats on the device.
    """
    if keras.backend.standardize_dtype(images.dtype) != "uint8":
        return images
    return ops.cast(images, "float32") / 255
