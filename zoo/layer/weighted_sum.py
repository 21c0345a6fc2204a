"""A sum of maps with trained weights, Darknet's weighted shortcut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from zoo.errors import ZooError, nearest

NORMALIZATIONS = ("none", "relu", "softmax")
EPSILON = 1e-4  # of the normalising sum


@keras.saving.register_keras_serializable("zoo")
class WeightedSum(keras.layers.Layer):
    """Σᵢ wᵢ·xᵢ, the weights normalised over the maps if asked for [blas.c:shortcut_multilayer_cpu].

    With ε = 1e-4, `relu` is max(wᵢ, 0) / (ε + Σ max(w, 0)), the fast normalised fusion of
    EfficientDet, and `softmax` is exp(wᵢ − max w) / (ε + Σ exp(w − max w)). Where Darknet folds
    batch normalisation, as to detect, `relu` has max(w, 0.001) [network.c:fuse_conv_batchnorm].
    `SGD` does not decay w, as Darknet on a GPU [shortcut_layer.c:update_shortcut_layer_gpu].

    Args:
        per_channel: one weight for each channel of each map, instead of one a map.
        normalization: none, relu or softmax.

    Raises:
        ZooError: there is no such normalization.
    """

    def __init__(self, *, per_channel: bool = False, normalization: str = "none", **kwargs: Any):
        super().__init__(**kwargs)
        if normalization not in NORMALIZATIONS:
            raise ZooError(
                f"no normalization {normalization!r} of a weighted sum; "
                f"{nearest(normalization, NORMALIZATIONS)}"
            )
        self.per_channel = per_channel
        self.normalization = normalization

    def build(self, input_shape: Sequence[tuple]) -> None:
        """Create the weights, all 1, for maps of one shape."""
        channels = input_shape[0][-1] if self.per_channel else 1
        self.weight = self.add_weight(
            shape=(len(input_shape), channels), initializer="ones", name="weight"
        )
        self.built = True

    def call(self, maps: Sequence[Any]) -> Any:
        """Maps of one shape (batch, h, w, channels) → that shape."""
        weights = self._normalized(ops.convert_to_tensor(self.weight))
        return sum(ops.cast(weights[index], x.dtype) * x for index, x in enumerate(maps))

    def _normalized(self, weights: Any) -> Any:
        if self.normalization == "none":
            return weights
        if self.normalization == "relu":
            weights = ops.relu(weights)
        else:
            weights = ops.exp(weights - ops.max(weights, axis=0, keepdims=True))
        return weights / (EPSILON + ops.sum(weights, axis=0, keepdims=True))

    def compute_output_shape(self, input_shape: Sequence[tuple]) -> tuple:
        """That of each map."""
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this layer again."""
        settings = {"per_channel": self.per_channel, "normalization": self.normalization}
        return {**super().get_config(), **settings}
