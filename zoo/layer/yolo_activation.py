"""The activations that Darknet's [yolo] applies to raw predictions."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class YoloActivation(keras.layers.Layer):
    """σ of all entries but the sizes, then s·σ − (s − 1)/2 of the centres.

    With `new_coords` the entries have their σ from the layer before
    [yolo_layer.c:forward_yolo_layer].

    Args:
        num_classes: classes of a box.
        scale_xy: s.
        new_coords: the entries are probabilities already.
    """

    def __init__(
        self, num_classes: int, *, scale_xy: float = 1.0, new_coords: bool = False, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.settings = dict(num_classes=num_classes, scale_xy=scale_xy, new_coords=new_coords)

    def call(self, raw: Any) -> Any:
        """(batch, h, w, anchors·(5 + classes)) → the same shape."""
        entry = np.arange(raw.shape[-1]) % (5 + self.settings["num_classes"])
        scale = self.settings["scale_xy"]
        factor = np.where(entry < 2, scale, 1.0)
        offset = np.where(entry < 2, (scale - 1) / 2, 0.0)
        if not self.settings["new_coords"]:
            is_size = ops.convert_to_tensor((entry == 2) | (entry == 3))
            raw = ops.where(is_size, raw, ops.sigmoid(raw))
        factor, offset = (ops.convert_to_tensor(v, dtype=raw.dtype) for v in (factor, offset))
        return raw * factor - offset

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """That of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this layer again."""
        return {**super().get_config(), **self.settings}
