"""A backbone with a classifier on top, to train the backbone before a detector does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from zoo.detector import backbone_of
from zoo.network import Trainable, WithoutBoxes
from zoo.ops.levels import stride


@keras.saving.register_keras_serializable("zoo")
class BackboneClassifier(WithoutBoxes, Trainable):
    """Images (batch, height, width, 3), RGB, float in [0, 1] or uint8 → logits (batch, classes).

    The mean of the backbone's coarsest level, then one linear layer, as in darknet53.cfg and
    csdarknet53.cfg. The backbone is that of a `Detector` of the same config, array by array.

    Args:
        model: plain config as in `conf/model`: backbone, image_size and resize; what belongs to
            detection is not looked at.
        class_names: one name for each class.
        label_smoothing: ε of the targets 1 − ε + ε/classes and ε/classes.

    Raises:
        ZooError: the backbone, one of its keys or a size does not fit.
    """

    instead = "start a detector from it with weights=RUN transfer=[backbone]"

    def __init__(
        self,
        model: Mapping[str, Any],
        class_names: Sequence[str],
        label_smoothing: float = 0.0,
        **kwargs: Any,
    ):
        images = keras.Input((None, None, 3), name="images")
        backbone = backbone_of(images, model["backbone"])
        levels = backbone(images)
        coarsest = max(levels, key=stride)
        pooled = keras.layers.GlobalAveragePooling2D(
            data_format="channels_last", dtype="float32", name="pool"
        )(levels[coarsest])
        logits = keras.layers.Dense(len(class_names), dtype="float32", name="classes")(pooled)
        kwargs.setdefault("name", f"{model.get('name', 'model')}_classifier")
        super().__init__(images, logits, **kwargs)
        self.cfg, self.class_names = dict(model), list(class_names)
        self.label_smoothing = label_smoothing
        self.stride = stride(coarsest)
        self.check_size(model["image_size"])

    def loss_of_images(self, y: Any, y_pred: Any) -> Any:
        """The cross entropy of each image, (batch,).

        Args:
            y: as for a `Detector`: the class of an image is that of a box over all of it; of
                several, as after a mosaic, each counts by its area.
            y_pred: logits.
        """
        target = class_shares(y, len(self.class_names))
        labelled = ops.sum(target, axis=-1)
        smooth = (1 - self.label_smoothing) * target + self.label_smoothing / target.shape[-1]
        entropy = -ops.sum(smooth * ops.log_softmax(ops.cast(y_pred, "float32")), axis=-1)
        return entropy * labelled

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this model again."""
        return {
            "model": self.cfg,
            "class_names": self.class_names,
            "label_smoothing": self.label_smoothing,
            **super().get_config(),
        }


def class_shares(y: Mapping[str, Any], classes: int) -> Any:
    """What part of an image belongs to each class, by the area of its boxes.

    Args:
        y: "boxes" (batch, n, 4) xyxy and "classes" (batch, n), −1 for padding.
        classes: how many there are.

    Returns:
        float32 (batch, classes), rows that add up to 1, or to 0 where there is no box.
    """
    found = ops.cast(y["classes"], "int32")
    boxes = ops.cast(y["boxes"], "float32")
    area = ops.prod(boxes[..., 2:] - boxes[..., :2], axis=-1)
    area = ops.where(found >= 0, area, 0.0)
    sums = ops.sum(ops.one_hot(ops.maximum(found, 0), classes) * area[..., None], axis=1)
    return sums / ops.maximum(ops.sum(sums, axis=-1, keepdims=True), 1e-9)
