"""Batch normalisation folded into the convolutions before it."""

from __future__ import annotations

from itertools import chain
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
        ZooError: the variables of the two do not correspond.
    """
    light = Detector({**detector.cfg, "folded": True}, detector.class_names, name=detector.name)
    layers, others = _parts(detector)
    light_layers, light_others = _parts(light)
    folded = [_folded(layer) for layer in layers]
    values = [*chain(*folded), *others]
    targets = [*chain(*(layer.weights for layer in light_layers)), *light_others]
    if [tuple(value.shape) for value in values] != [tuple(target.shape) for target in targets]:
        raise ZooError(f"{detector.name} cannot be folded: its layers are not those of its config")
    for value, target in zip(values, targets, strict=True):
        target.assign(value)
    return light


def _parts(model: keras.Model) -> tuple[list[ConvBN], list[Any]]:
    """Each `ConvBN`, also those inside of other layers, and the variables outside of them."""
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, ConvBN)]
    inside = {id(variable) for layer in layers for variable in layer.variables}
    return layers, [variable for variable in model.variables if id(variable) not in inside]


def _folded(layer: ConvBN) -> list[np.ndarray]:
    norm = layer.normalization
    if norm is None:
        return layer.get_weights()
    replaced = {id(value) for value in (*layer.convolution.weights, *norm.weights)}
    others = [value for value in layer.weights if id(value) not in replaced]  # of the activation
    gamma, beta, mean, variance = (
        np.asarray(keras.ops.convert_to_numpy(value), np.float64)
        for value in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
    )
    factor = gamma / np.sqrt(variance + norm.epsilon)
    kernel = np.asarray(keras.ops.convert_to_numpy(layer.convolution.kernel), np.float64)
    return [
        (kernel * factor).astype("float32"),
        (beta - mean * factor).astype("float32"),
        *(np.asarray(keras.ops.convert_to_numpy(value)) for value in others),
    ]
