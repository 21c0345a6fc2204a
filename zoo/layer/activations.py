"""Activations as the YOLO papers use them; each function gives a stateless Keras layer."""

from __future__ import annotations

import keras

from zoo.layer import elementwise
from zoo.layer.mish import Mish


def leaky_relu() -> keras.Layer:
    """The input where positive, else a tenth of it [activations.h:leaky]; in Keras 0.3 of it."""
    return keras.layers.LeakyReLU(negative_slope=0.1)


def linear() -> keras.Layer:
    """Identity [activations.h:linear]."""
    return keras.layers.Activation("linear")


def mish() -> keras.Layer:
    """`zoo.layer.mish.Mish` [activations.c:activate_array_mish]."""
    return Mish()


def relu() -> keras.Layer:
    """The input where positive, else 0."""
    return keras.layers.Activation("relu")


def sigmoid() -> keras.Layer:
    """1 / (1 + e⁻ˣ), Darknet's `logistic`.

    In float32 under mixed precision too: with 8 bits of mantissa it reaches 1, and its slope 0.
    """
    return keras.layers.Activation("sigmoid", dtype="float32")


def swish() -> keras.Layer:
    """The input times its sigmoid [activations.c:activate_array_swish]."""
    return keras.layers.Activation("silu")


# === Darknet's less common ones ===


def elu() -> keras.Layer:
    """The input where positive, else eˣ − 1 [activations.h:elu]."""
    return keras.layers.Activation("elu")


def gelu() -> keras.Layer:
    """`zoo.layer.elementwise.gelu` [activations.h:gelu]."""
    return keras.layers.Activation(elementwise.gelu)


def hard_mish() -> keras.Layer:
    """`zoo.layer.elementwise.hard_mish` [activations.c:activate_array_hard_mish]."""
    return keras.layers.Activation(elementwise.hard_mish)


def hard_tanh() -> keras.Layer:
    """The input clipped to [−1, 1], Darknet's `hardtan`."""
    return keras.layers.Activation("hard_tanh")


def lhtan() -> keras.Layer:
    """`zoo.layer.elementwise.lhtan` [activations.h:lhtan]."""
    return keras.layers.Activation(elementwise.lhtan)


def loggy() -> keras.Layer:
    """`zoo.layer.elementwise.loggy` [activations.h:loggy]."""
    return keras.layers.Activation(elementwise.loggy)


def plse() -> keras.Layer:
    """`zoo.layer.elementwise.plse` [activations.h:plse]."""
    return keras.layers.Activation(elementwise.plse)


def ramp() -> keras.Layer:
    """`zoo.layer.elementwise.ramp` [activations.h:ramp]."""
    return keras.layers.Activation(elementwise.ramp)


def relie() -> keras.Layer:
    """The input where positive, else a hundredth of it [activations.h:relie]."""
    return keras.layers.LeakyReLU(negative_slope=0.01)


def relu6() -> keras.Layer:
    """The input clipped to [0, 6], as Darknet's GPU code; its CPU code gives 0."""
    return keras.layers.Activation("relu6")


def selu() -> keras.Layer:
    """1.0507 times the input where positive, else times 1.6732·(eˣ − 1) [activations.h:selu]."""
    return keras.layers.Activation("selu")


def stair() -> keras.Layer:
    """`zoo.layer.elementwise.stair` [activations.h:stair]."""
    return keras.layers.Activation(elementwise.stair)


def tanh() -> keras.Layer:
    """Hyperbolic tangent [activations.h:tanh]."""
    return keras.layers.Activation("tanh")
