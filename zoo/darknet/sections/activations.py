"""Darknet's names of activations [activations.c:get_activation]."""

from __future__ import annotations

import keras

from zoo.darknet.cfg import Section
from zoo.darknet.plan import name_of
from zoo.errors import nearest
from zoo.registry import LAYERS

#: Darknet's name → ours in `zoo.layer`.
ACTIVATIONS = {
    "elu": "elu",
    "gelu": "gelu",
    "hard_mish": "hard_mish",
    "hardtan": "hard_tanh",
    "leaky": "leaky_relu",
    "lhtan": "lhtan",
    "linear": "linear",
    "logistic": "sigmoid",
    "loggy": "loggy",
    "mish": "mish",
    "plse": "plse",
    "ramp": "ramp",
    "relie": "relie",
    "relu": "relu",
    "relu6": "relu6",
    "selu": "selu",
    "stair": "stair",
    "swish": "swish",
    "tanh": "tanh",
}
ACROSS_CHANNELS = {
    "normalize_channels", "normalize_channels_softmax", "normalize_channels_softmax_maxval"
}  # fmt: skip


def activation_name(section: Section, default: str) -> str:
    """Our name of the activation of a section.

    Raises:
        ZooError: Darknet does not know it and would take ReLU, or it is not supported.
    """
    name = section.text("activation", default)
    if name in ACROSS_CHANNELS:
        raise section.error(f"activation={name} is not supported", "activation")
    if name not in ACTIVATIONS:
        hint = nearest(name, ACTIVATIONS)
        raise section.error(f"no activation {name!r}; {hint}", "activation")
    return ACTIVATIONS[name]


def activation_layer(section: Section, default: str) -> keras.Layer:
    """A fresh Keras layer of a section's activation, under a name of its own."""
    layer = LAYERS[activation_name(section, default)]()
    layer.name = f"{name_of(section)}_activation"
    return layer
