"""A Darknet cfg without [yolo] sections as a Keras model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from zoo.darknet.graph import build_network, fresh_input
from zoo.darknet.plan import plan
from zoo.errors import ZooError
from zoo.network import Rebuilt, WithoutBoxes


@keras.saving.register_keras_serializable("zoo")
class Classifier(WithoutBoxes, Rebuilt):
    """Images (batch, height, width, channels), RGB, float in [0, 1] or uint8 → the last output.

    That is (batch, classes), probabilities where the cfg ends in [softmax]; or a feature map, if it
    ends in one. An ordinary functional model otherwise: `compile`, `fit` and `save` are Keras'.

    Args:
        model: `name`; `backbone`, which holds the `text` of the cfg.
        class_names: one name for each channel of the output.

    Raises:
        ZooError: the cfg is not supported, or the names do not fit it.
    """

    instead = "call it on images"

    def __init__(self, model: Mapping[str, Any], class_names: Sequence[str], **kwargs: Any):
        text = model["backbone"]["text"]
        planned = plan(text)
        output = planned.layers[-1].output
        if len(class_names) != output.channels:
            raise ZooError(f"class_names: {len(class_names)}, the cfg has {output.channels}")
        images = fresh_input(planned)
        network = build_network(text, images)
        result = network.with_all_weights(network.outputs[-1], [len(network.outputs) - 1])
        if output[:2] == (1, 1):
            result = keras.layers.Reshape((output.channels,), name="classes")(result)
        kwargs.setdefault("name", str(model.get("name", "classifier")))
        super().__init__(images, result, **kwargs)
        self.cfg = dict(model)
        self.class_names = list(class_names)
        self.image_size = tuple(planned.image[:2])

    def get_config(self) -> dict[str, Any]:
        """The cfg and the class names, from which the model is built again."""
        config = {"model": self.cfg, "class_names": self.class_names}
        return {**config, **super().get_config()}
