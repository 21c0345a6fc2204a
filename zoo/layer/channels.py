"""Layers that choose among channels."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class ChannelGroup(keras.layers.Layer):
    """One of several equal groups of channels [route_layer.c:forward_route_layer].

    Args:
        groups: how many.
        group: which, from 0.
    """

    def __init__(self, groups: int, group: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.groups = groups
        self.group = group

    def call(self, features: Any) -> Any:
        """(…, channels) → (…, channels / groups)."""
        width = features.shape[-1] // self.groups
        return features[..., self.group * width : (self.group + 1) * width]

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this layer again."""
        return {**super().get_config(), "groups": self.groups, "group": self.group}


@keras.saving.register_keras_serializable("zoo")
class FitChannels(keras.layers.Layer):
    """The first channels of a map, or all and then zeros [blas.c:shortcut_multilayer_cpu].

    Args:
        channels: how many come out.
    """

    def __init__(self, channels: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.channels = channels

    def call(self, features: Any) -> Any:
        """(batch, h, w, c) → (batch, h, w, channels)."""
        missing = self.channels - features.shape[-1]
        if missing <= 0:
            return features[..., : self.channels]
        return ops.pad(features, ((0, 0), (0, 0), (0, 0), (0, missing)))

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this layer again."""
        return {**super().get_config(), "channels": self.channels}


@keras.saving.register_keras_serializable("zoo")
class ChannelMaxPool(keras.layers.Layer):
    """Channel c of the result is the maximum of every `channels`-th one from c on.

    Darknet's `maxpool_depth` [maxpool_layer.c:forward_maxpool_layer].

    Args:
        channels: how many come out.
    """

    def __init__(self, channels: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.channels = channels

    def call(self, features: Any) -> Any:
        """(batch, h, w, c) → (batch, h, w, channels)."""
        strided = [ops.max(features[..., c :: self.channels], -1) for c in range(self.channels)]
        return ops.stack(strided, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this layer again."""
        return {**super().get_config(), "channels": self.channels}
