"""Activations as the YOLO papers use them; each function gives a stateless Keras layer."""

from __future__ import annotations

import keras


def leaky_relu(*, slope: float = 0.1) -> keras.Layer:
    """The input where positive, else slope times it [activations.h:leaky].

    Darknet's slope is 0.1; Keras' default is 0.3.
    """
    return keras.layers.LeakyReLU(negative_slope=slope)


def linear() -> keras.Layer:
    """Identity [activations.h:linear]."""
    return keras.layers.Activation("linear")


def mish() -> keras.Layer:
    """The input times tanh(softplus(input)) [activations.c:activate_array_mish]."""
    return keras.layers.Activation("mish")


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
