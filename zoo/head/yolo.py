"""The anchor-based head of YOLOv3 and YOLOv4."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import keras
from keras import ops

from zoo.errors import ZooError
from zoo.layer.convolution import ConvBN
from zoo.ops.levels import per_level, stride
from zoo.ranges import FACTOR, POSITIVE, PROBABILITY, check_number, check_whole, is_in
from zoo.registry import LAYERS


class YoloHead:
    """Two convolutions per level, the last 1×1; boxes relative to anchors [yolov3, §2.1].

    Args:
        num_classes: classes that a box can have, independently of each other.
        anchors: all anchors of the model, (width, height) in pixels of the network input.
        masks: the anchors of each level, as indices into `anchors`; levels in the order of
            Darknet's [yolo] sections.
        scale_xy: how far a centre may leave its cell, as a factor ≥ 1 (Darknet's `scale_x_y`), one
            for all levels or one a level.
        new_coords: the predictions are probabilities: the last convolution ends in a sigmoid, and
            nothing after it takes one; sizes are bounded, see `cxcywh` [scaled-yolov4].
        widths: channels of the first convolution of each level; by default twice its input's. 0
            leaves it out: the neck ends in it.
        size: side of the kernel of the first convolution, odd.
        attention: name of a registered layer, e.g. `"sam"`; it and a 1×1 convolution follow the
            first [cspx-p7-mish.cfg].
        after_neck: where Darknet's files hold the heads: all after the whole neck, instead of each
            as soon as its features exist.
        activation: name of a registered layer.
        prior: objectness probability that a fresh head predicts [retinanet, §4.1].

    Raises:
        ZooError: a mask is empty or points outside the anchors, a mapping misses a level, a number
            means nothing, or attention has no convolution before it.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        anchors: Sequence[Sequence[float]],
        masks: Mapping[str, Sequence[int]],
        scale_xy: float | Mapping[str, float] = 1.0,
        new_coords: bool = False,
        widths: int | Mapping[str, int | None] | None = None,
        size: int = 3,
        attention: str | None = None,
        after_neck: bool = False,
        activation: str = "leaky_relu",
        prior: float = 0.01,
    ):
        self.num_classes = num_classes
        self.anchors = _anchors(anchors)
        self.masks = _masks(masks, len(self.anchors))
        self.strides = {level: stride(level) for level in masks}
        self.scale_xy = per_level("head scale_xy", scale_xy, self.masks)
        self.new_coords = new_coords
        self.widths = per_level("head widths", widths, self.masks)
        self.size = size
        self.attention = attention
        self.after_neck = after_neck
        self.activation = activation
        self.prior = prior
        for scale in self.scale_xy.values():
            check_number("head scale_xy", scale, FACTOR)
        for width in self.widths.values():
            if width is not None:
                check_whole("head widths", width, least=0)
        check_whole("head size", size, least=1)
        if size % 2 == 0:
            raise ZooError(f"head size={size}: must be odd, as an even kernel changes the grid")
        check_number("head prior", prior, PROBABILITY)
        if attention and 0 in self.widths.values():
            raise ZooError(f"head attention {attention!r} needs widths other than 0")

    def __call__(self, pyramid: Mapping[str, Any]) -> dict[str, Any]:
        """Raw predictions of each level, float32 (batch, h, w, anchors·(5 + classes)).

        Channel anchor·(5 + classes) + entry; the entries are tx, ty, tw, th, objectness and the
        classes [yolo_layer.c:entry_index]. With `new_coords` each is the sigmoid
        of that, in [0, 1].

        Raises:
            ZooError: the neck does not give a level that `masks` names.
        """
        if missing := set(self.masks) - set(pyramid):
            raise ZooError(f"head masks name {sorted(missing)}, the neck gives {sorted(pyramid)}")
        return {level: self._level(level, pyramid[level]) for level in self.masks}

    def _level(self, level: str, features: Any) -> Any:
        width = self.widths[level]
        x = self._first(level, features, 2 * features.shape[-1] if width is None else width)
        filters = len(self.masks[level]) * (5 + self.num_classes)
        last = "sigmoid" if self.new_coords else "linear"
        predict = ConvBN(filters, 1, activation=last, normalize=False, name=f"{level}_predict")
        x = predict(x)
        predict.convolution.bias.assign(self._bias(level))
        return keras.layers.Activation("linear", dtype="float32", name=f"{level}_raw")(x)

    def _first(self, level: str, x: Any, width: int) -> Any:
        """What comes before the prediction, of `width` channels; nothing if that is 0."""
        if not width:
            return x
        x = ConvBN(width, self.size, activation=self.activation, name=f"{level}_conv")(x)
        if self.attention is None:
            return x
        x = LAYERS.build({"name": self.attention}, name=f"{level}_attention")(x)
        return ConvBN(width, 1, activation=self.activation, name=f"{level}_conv2")(x)

    def _bias(self, level: str) -> Any:
        """Zero but for the objectness entries, whose sigmoid is `prior`, with `new_coords` too."""
        entries = [0.0] * (5 + self.num_classes)
        entries[4] = math.log(self.prior / (1 - self.prior))
        return entries * len(self.masks[level])

    def class_channels(self, level: str) -> list[list[int]]:
        """The channels of a level's raw predictions that are of each class, (classes, anchors)."""
        size, anchors = 5 + self.num_classes, range(len(self.masks[level]))
        return [[a * size + 5 + index for a in anchors] for index in range(self.num_classes)]

    def decode(self, predictions: Mapping[str, Any]) -> tuple[Any, Any]:
        """Boxes and class scores of all anchors [yolov3, §2.1; yolo_layer.c:get_yolo_box].

        Args:
            predictions: what this head gave; the input size is read off its grids.

        Returns:
            boxes: xyxy relative to the network input, float32 (batch, n, 4), not clipped.
            scores: objectness · class probability, float32 (batch, n, classes).
        """
        boxes, objectness, classes = self.entries(predictions)
        return boxes, objectness * self.probabilities(classes)

    def entries(self, predictions: Mapping[str, Any]) -> tuple[Any, Any, Any]:
        """As `decode`, the class scores left to who needs them, which may be those of few boxes.

        Args:
            predictions: what this head gave.

        Returns:
            boxes: as of `decode`.
            objectness: in [0, 1], float32 (batch, n, 1).
            classes: raw, float32 (batch, n, classes); a score is objectness times what
                `probabilities` makes of them.
        """
        decoded = [self._entries(level, predictions[level]) for level in self.masks]
        boxes, objectness, classes = (
            ops.concatenate(part, axis=1) for part in zip(*decoded, strict=True)
        )
        return boxes, objectness, classes

    def _entries(self, level: str, raw: Any) -> tuple[Any, Any, Any]:
        batch, height, width = ops.shape(raw)[:3]
        count = len(self.masks[level])
        total = height * width * count
        grid = ops.reshape(raw, (batch, height, width, count, 5 + self.num_classes))
        centre, size = self.cxcywh(level, grid[..., 0:4])
        boxes = ops.concatenate([centre - size / 2, centre + size / 2], axis=-1)
        rows = ops.reshape(raw, (batch, total, 5 + self.num_classes))
        objectness = self.probabilities(rows[..., 4:5])
        return ops.reshape(boxes, (batch, total, 4)), objectness, rows[..., 5:]

    def probabilities(self, raw: Any) -> Any:
        """Raw entries of any shape as probabilities: σ(t), or t itself with `new_coords`."""
        return raw if self.new_coords else ops.sigmoid(raw)

    def cxcywh(self, level: str, raw_boxes: Any) -> tuple[Any, Any]:
        """Centres and sizes of raw boxes (batch, h, w, anchors, 4), relative to the network input.

        X = s·σ(tx) − (s − 1)/2, centre = (cell + X) / grid, size = e^t · anchor / input; with
        `new_coords` X = s·tx − (s − 1)/2 and size = 4t² · anchor / input
        [yolo_layer.c:get_yolo_box]. Each is (batch, h, w, anchors, 2), x or width first.
        """
        height, width = ops.shape(raw_boxes)[1:3]
        columns, rows = ops.arange(width, dtype="float32"), ops.arange(height, dtype="float32")
        # Both sides at once: a slice of a product is what OpenVINO gets wrong in int8 (2026.4).
        cells = ops.expand_dims(ops.stack(ops.meshgrid(columns, rows), axis=-1), axis=2)
        grid = ops.stack([ops.cast(width, "float32"), ops.cast(height, "float32")])
        scale = self.scale_xy[level]
        offset = scale * self.probabilities(raw_boxes[..., 0:2]) - (scale - 1) / 2
        anchors = [self.anchors[index] for index in self.masks[level]]
        anchor_sizes = ops.convert_to_tensor(anchors, dtype="float32")
        sides = raw_boxes[..., 2:4]
        size = (4 * ops.square(sides) if self.new_coords else ops.exp(sides)) * anchor_sizes
        return (cells + offset) / grid, size / (grid * self.strides[level])


def _anchors(anchors: Sequence[Sequence[float]]) -> list[list[float]]:
    """Anchors as pairs of floats.

    Raises:
        ZooError: one is no pair, or a side of it is not positive.
    """
    for anchor in anchors:
        if len(anchor) != 2 or not all(is_in(side, POSITIVE) for side in anchor):
            raise ZooError(
                f"head anchors {list(anchor)}: must be a width and a height, each {POSITIVE.words}"
            )
    return [[float(side) for side in anchor] for anchor in anchors]


def _masks(masks: Mapping[str, Sequence[int]], count: int) -> dict[str, list[int]]:
    """Masks as lists.

    Raises:
        ZooError: there is none, or one does not list some of the `count` anchors.
    """
    if not masks:
        raise ZooError("head masks={}: needs a level and its anchors, as {P5: [0, 1, 2]}")
    for level, mask in masks.items():
        listed = isinstance(mask, Sequence) and not isinstance(mask, str) and len(mask) > 0
        if not listed or not all(_is_index(index) for index in mask):
            raise ZooError(f"head masks {level}: {mask} must list anchors, as [0, 1, 2]")
        if not all(0 <= index < count for index in mask):
            raise ZooError(f"head masks {level}: {list(mask)} points outside the {count} anchors")
    return {level: list(mask) for level, mask in masks.items()}


def _is_index(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
