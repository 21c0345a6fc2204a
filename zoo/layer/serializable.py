"""Every layer that a `.keras` file may name: Keras finds those whose module is imported."""

from zoo.layer import (  # noqa: F401
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
