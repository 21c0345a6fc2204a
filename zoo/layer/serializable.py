"""Every layer that a `.keras` file may name: Keras finds those whose module is imported."""

from zoo.layer import (
    attention,
    blur,
    channels,
    connected,
    convolution,
    elementwise,
    first,
    implicit,
    mish,
    normalization,
    pooling,
    reorg,
    softmax,
    weighted_sum,
    yolo_activation,
)

__all__ = [
    "attention",
    "blur",
    "channels",
    "connected",
    "convolution",
    "elementwise",
    "first",
    "implicit",
    "mish",
    "normalization",
    "pooling",
    "reorg",
    "softmax",
    "weighted_sum",
    "yolo_activation",
]
