"""Batch normalisation folded into the convolutions before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from zoo.detector import Detector
from zoo.errors import ZooError
from zoo.layer.convolution import ConvBN


def fold(detector: Detector) -> Detector:
    """The same detector with a bias in place of each `ConvBN`'s batch normalisation, for inference.

    γ (W∗x − μ) / √(σ² + ε) + β is (γ/√(σ² + ε)) W∗x + (β − γμ/√(σ² + ε)): the same numbers up to
    rounding. Normalisation outside of `ConvBN`, as in a third party's backbone, stays.

    Returns:
        A detector of its own: training the one that was given does not change it.

    Raises:
        ZooError: the layers of the two do not correspond.
    """
    light = Detector({**detector.cfg, "folded": True}, detector.class_names, name=detector.name)
    pairs = list(zip(_layers(detector), _layers(light), strict=False))
    if [type(a) for a, _ in pairs] != [type(b) for _, b in pairs]:
        raise ZooError(f"{detector.name} cannot be folded: its layers are not those of its config")
    for layer, target in pairs:
        if isinstance(layer, ConvBN):
            target.set_weights(_folded(layer))
        else:
            target.set_weights(layer.get_weights())
    return light


def _layers(model: keras.Model) -> Iterator[Any]:
    """Layers with weights, those of submodels in their place."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        elif layer.variables:
            yield layer


def _folded(layer: ConvBN) -> list[np.ndarray]:
    norm = layer.normalization
    if norm is None:
        return layer.get_weights()
    gamma, beta, mean, variance = (
        np.asarray(keras.ops.convert_to_numpy(value), np.float64)
        for value in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
    )
    factor = gamma / np.sqrt(variance + norm.epsilon)
    kernel = np.asarray(keras.ops.convert_to_numpy(layer.convolution.kernel), np.float64)
    return [(kernel * factor).astype("float32"), (beta - mean * factor).astype("float32")]
