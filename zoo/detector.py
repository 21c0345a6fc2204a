"""Parts → one `keras.Model` that detects."""

from __future__ import annotations

import contextlib
import threading
import types
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras

import zoo.layer.serializable  # noqa: F401
from zoo import building
from zoo.errors import ZooError
from zoo.layer.convolution import folded
from zoo.network import Network, Trainable, ones_of
from zoo.ops.compile import xla
from zoo.ops.levels import stride
from zoo.ops.replicas import whole_batch
from zoo.prediction import DecodeAndSuppress, check_decoding
from zoo.registry import BACKBONES, HEADS, LOSSES, NECKS, NMS

if TYPE_CHECKING:
    import supervision

PARTS = ("backbone", "neck", "head")
#: Of a model's config: those that every one has, and all.
NEEDED = (*PARTS, "nms", "image_size")
KEYS = (*NEEDED, "loss", "resize", "folded", "name")
#: Keys that mean the same to every kind of NMS that has them.
THRESHOLDS = ("score_threshold", "iou_threshold")
#: How many compiled predictors a detector keeps, of those that were asked for last.
PREDICTORS = 8
#: Of a loss that does not say otherwise by an attribute `parts`.
LOSS_PARTS = ("box", "objectness", "class")


@keras.saving.register_keras_serializable("zoo")
class Detector(Trainable):
    """A backbone, a neck and a head in one model, with their loss and their decoding.

    Calling it on images (batch, height, width, 3), RGB, float in [0, 1] or uint8, sides multiples
    of `stride`, gives the head's raw predictions. `compile` and `fit` train it with the loss of its
    config; `detect` goes from files or arrays to boxes. A model of one's own over its `inputs`, and
    what Keras' `export` writes without an `input_signature`, take floats alone.

    Args:
        model: plain config as in `conf/model`: backbone, neck, head, loss, nms, image_size
            (height, width in pixels), resize (`"stretch"` or `"letterbox"`), and `folded`, whether
            biases stand for batch normalisation (see `zoo.deployment.fold`).
        class_names: one name for each class.

    Raises:
        ZooError: a part, one of its keys or a size does not fit.
    """

    def __init__(self, model: Mapping[str, Any], class_names: Sequence[str], **kwargs: Any):
        cfg = dict(model)
        if missing := [key for key in NEEDED if key not in cfg]:
            raise ZooError(f"the model's config lacks {', '.join(missing)}; see conf/model")
        head = building.build("head", cfg["head"], num_classes=len(class_names))
        images = keras.Input((None, None, 3), name="images")
        with folded() if cfg.get("folded") else contextlib.nullcontext():
            backbone = backbone_of(images, cfg["backbone"])
            neck = _submodel("neck", backbone.output, NECKS, cfg["neck"])
            predict = _wrap("head", neck.output, head, HEADS, cfg["head"])
        _check_strides(backbone, neck, cfg)
        kwargs.setdefault("name", str(cfg.get("name", "detector")))
        super().__init__(images, predict(neck(backbone(images))), **kwargs)
        self.cfg = cfg
        self.class_names = list(class_names)
        self.stride = _coarsest(backbone.output, neck.output)
        self.check_size(cfg["image_size"])
        self.head = head
        self._loss_of = _loss_of(cfg["loss"], head) if "loss" in cfg else None
        self._compiled_loss: Callable | None = None
        self._part_means = {
            part: keras.metrics.Mean(name=f"{part}_loss")
            for part in getattr(self._loss_of, "parts", LOSS_PARTS)
        }
        # What lies in an object Keras takes for no part of this model.
        self._kept = types.SimpleNamespace(predictors=OrderedDict(), lock=threading.Lock())

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Raw predictions of images, float in [0, 1] or uint8.

        Raises:
            ZooError: a side is no multiple of `stride`.
        """
        shape = tuple(inputs.shape)
        remedy = (
            f"height and width must be multiples of {self.stride} for {self.name}; "
            "resize or pad them"
        )
        if any(side is not None and side % self.stride for side in shape[1:3]):
            raise ZooError(f"images {shape}: {remedy}")
        if training and None in shape[1:3] and keras.backend.backend() == "tensorflow":
            inputs = _checked_when_run(inputs, self.stride, remedy)
        return super().call(inputs, training=training, mask=mask)

    # === Training ===

    def compile(self, *args: Any, **options: Any) -> None:
        """As `Trainable.compile`; predictors are traced anew, as `enable_lora` asks for."""
        super().compile(*args, **options)
        self._kept.predictors.clear()

    def loss_of_images(self, y: Any, y_pred: Any) -> Any:
        """The loss of each image, (batch,), compiled with XLA.

        Means within a loss may go over the whole batch, so each of several replicas computes all
        of it.

        Args:
            y: boxes and classes of the images.
            y_pred: raw predictions.

        Raises:
            ZooError: the config has no loss, or it gives other parts than it says.
        """
        if self._loss_of is None:
            raise ZooError(
                f"model {self.name!r} has no loss in its config; add `loss: {{name: …}}`"
            )
        if self._compiled_loss is None:
            self._compiled_loss = xla(self._total_and_parts)
        total, parts = self._compiled_loss(whole_batch(y), whole_batch(y_pred))
        for part, values in parts.items():
            self._part_means[part].update_state(values, ones_of(values))
        return total

    def _total_and_parts(self, truth: Any, predictions: Any) -> tuple[Any, dict[str, Any]]:
        """The loss of each image, and its parts.

        They are added up here, inside of what XLA compiles: TensorFlow's graph adds three tensors
        in an order that depends on which of them it finds in use.

        Raises:
            ZooError: the loss gives other parts than it says, or not one number for each image.
        """
        parts = self._loss_of(truth, predictions) if self._loss_of else {}
        name = self.cfg["loss"]["name"]
        if not isinstance(parts, Mapping) or parts.keys() != self._part_means.keys():
            given = ", ".join(parts) if isinstance(parts, Mapping) else f"a {type(parts).__name__}"
            raise ZooError(
                f"loss {name!r} gives {given} where the parts {', '.join(self._part_means)} are "
                "expected; its attribute `parts` names them"
            )
        for part, values in parts.items():
            if len(values.shape) != 1:  # would be spread over the others
                raise ZooError(
                    f"loss {name!r} gives {part} of shape {tuple(values.shape)} where one number "
                    "for each image is expected"
                )
        return sum(parts.values()), dict(parts)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss and its parts, reset at each epoch."""
        return [*super().metrics, *self._part_means.values()]

    # === Prediction ===

    def predictor(self, *, windowed: bool = False, **limits: Any) -> keras.Model:
        """A model of images to boxes: this detector, its decoding and its NMS, weights shared.

        Args:
            windowed: whether there is a second input, (batch, 4): the xyxy window of the network
                input, relative to it, that holds the image (`zoo.data.geometry.Geometry.window`).
                Boxes are then relative to the image before they suppress each other, as in Darknet:
                in `greedynms` and `diounms` the distance of two boxes depends on the unit.
            **limits: see `nms`.

        Returns:
            A model that takes images as the detector does. Its output is boxes (batch, k, 4) xyxy
            relative to the network input, or to the image if `windowed`, scores (batch, k), classes
            (batch, k), count (batch,), candidates (batch,); see `zoo.nms.candidates.detections`.
            The same one for the same limits, until `PREDICTORS` others were asked for.
        """
        nms = self.nms(**limits)
        key = repr((windowed, sorted(nms.items())))
        kept: OrderedDict[str, keras.Model] = self._kept.predictors
        with self._kept.lock:
            predictor = kept.pop(key, None) or self._predictor(windowed, nms)
            kept[key] = predictor
            if len(kept) > PREDICTORS:
                kept.popitem(last=False)
        return predictor

    def _predictor(self, windowed: bool, nms: Mapping[str, Any]) -> keras.Model:
        if HEADS.origin(self.cfg["head"]["name"]) != "zoo":  # ours keep the contract
            raw = self.compute_output_spec(keras.KerasTensor((1, *self.image_size, 3)))
            check_decoding(self.head, self.cfg["head"]["name"], raw, len(self.class_names))
        suppress = DecodeAndSuppress(self.cfg["head"], len(self.class_names), nms)
        window = [keras.Input((4,), name="window")] if windowed else []
        inputs = [self.input, *window] if windowed else self.input
        output = suppress(self.output, *window)
        return Network(inputs, output, name=f"{self.name}_predictor")

    def nms(self, **limits: Any) -> dict[str, Any]:
        """The config of this detector's NMS with some keys changed.

        Args:
            **limits: keys that override the config's, e.g. `score_threshold=0.001`; with the name
                of another kind, which keeps the thresholds that it knows too, but nothing else:
                Darknet's `beta` is not a key of soft NMS, and its `sigma` not that of matrix NMS.

        Raises:
            ZooError: there is no such kind.
        """
        cfg = self.cfg["nms"]
        name = limits.get("name", cfg["name"])
        if name != cfg["name"]:
            known = NMS.settings({"name": name})
            cfg = {key: cfg[key] for key in THRESHOLDS if key in cfg and key in known}
        return {**cfg, **limits}

    def detect(self, source: Any, **options: Any) -> list[supervision.Detections]:
        """Find objects in pictures.

        Args:
            source: a file, a folder, a glob pattern, an RGB uint8 array (height, width, 3), or a
                list of these; a video, of which every frame is a picture.
            **options: those of `zoo.inference.detect`: `score_threshold`, `iou_threshold`,
                `resize`, `interpolation`, `batch_size`, `image_size`.

        Returns:
            One `supervision.Detections` a picture, in order: xyxy in pixels of the original, not
            clipped to it, confidence, class_id, and `data["class_name"]`.

        Raises:
            ZooError: there is no such picture or option, or it cannot be decoded.
        """
        from zoo.inference import detect_all

        return detect_all(self, source, options)

    # === Serialisation ===

    def get_config(self) -> dict[str, Any]:
        """The config and the class names, from which the parts are built again."""
        config = {"model": self.cfg, "class_names": self.class_names}
        return _copied({**config, **super().get_config()})


def _checked_when_run(images: Any, multiple: int, remedy: str) -> Any:
    """Images whose sides TensorFlow's graph does not know, refused there as `call` refuses others.

    `fit` says it as a `ZooError`. XLA leaves such checks out, so not with `jit_compile=True`.
    """
    import tensorflow as tf

    shape = tf.shape(images)
    said = tf.strings.format("images ({}, {}, {}, {}): " + remedy, tf.unstack(shape, 4))
    fits = tf.reduce_all(shape[1:3] % multiple == 0)
    with tf.control_dependencies([tf.debugging.Assert(fits, [said])]):
        return tf.identity(images)


def _loss_of(cfg: Mapping[str, Any], head: Any) -> Callable:
    """The loss of a config.

    Raises:
        ZooError: the part gives nothing that can be called.
    """
    loss = building.build("loss", cfg, head)
    if not callable(loss):
        raise ZooError(
            f"{LOSSES.title(cfg['name'])} gives a {type(loss).__name__}, not an object to call as "
            "loss(truth, raw)"
        )
    return loss


def _copied(plain: Any) -> Any:
    """A plain config anew; Keras' dictionaries would copy their model along with them."""
    if isinstance(plain, Mapping):
        return {key: _copied(value) for key, value in plain.items()}
    return [_copied(value) for value in plain] if isinstance(plain, list) else plain


def backbone_of(images: Any, cfg: Mapping[str, Any]) -> keras.Model:
    """The backbone that a config describes, as a model called `backbone` on inputs like `images`.

    Raises:
        ZooError: no such backbone, or keys that it does not take.
    """
    return _submodel("backbone", images, BACKBONES, cfg)


def _submodel(kind: str, inputs: Any, registry: Any, cfg: Mapping[str, Any]) -> keras.Model:
    return _wrap(kind, inputs, lambda features: registry.build(cfg, features), registry, cfg)


def _wrap(
    name: str,
    upstream: Any,
    part: Callable[[Any], dict[str, Any]],
    registry: Any,
    cfg: Mapping[str, Any],
) -> keras.Model:
    """A model called `name` of `part` on fresh inputs like `upstream`'s.

    Args:
        name: of the model, and the kind of the part.
        upstream: an input of images, or a pyramid.
        part: of such inputs.
        registry: where the part is from.
        cfg: its config.

    Raises:
        ZooError: the part gives no levels, or asks for one that is not there.
    """

    def like(tensor: Any, key: str) -> Any:
        return keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=key)

    if isinstance(upstream, dict):
        inputs = {level: like(tensor, level) for level, tensor in upstream.items()}
        outputs = part(Levels(name, inputs))
    else:
        inputs = like(upstream, "images")
        outputs = part(inputs)
    if not isinstance(outputs, Mapping) or not outputs:
        given = f"a {type(outputs).__name__}"
        raise ZooError(
            f"{registry.title(cfg['name'])} gives {given}, not levels by name, as "
            '{"P5": features}'
        )
    return keras.Model(inputs, dict(outputs), name=name)


class Levels(dict[str, Any]):
    """A pyramid as a part sees it, which says what is missing."""

    def __init__(self, part: str, levels: Mapping[str, Any]):
        super().__init__(levels)
        self.part = part

    def __missing__(self, level: str) -> Any:
        raise ZooError(
            f"the {self.part} asks for level {level!r}, which what is before it does not give; "
            f"there are: {', '.join(self)}"
        )


def _check_strides(backbone: keras.Model, neck: keras.Model, cfg: Mapping[str, Any]) -> None:
    """Refuse levels of a third party that are not of the stride that their name says.

    Raises:
        ZooError: names the part, the level and both strides.
    """
    kinds = ((backbone, BACKBONES), (neck, NECKS))
    if all(registry.origin(cfg[part.name]["name"]) == "zoo" for part, registry in kinds):
        return  # tests hold ours to it, and a fifth of a second is a part of a cold start
    side = 2 * _coarsest(backbone.output, neck.output)
    levels: Any = keras.KerasTensor((1, side, side, 3))
    for part, registry in kinds:
        levels = part.compute_output_spec(levels)
        for level, spec in levels.items():
            if tuple(spec.shape[1:3]) != (side // stride(level),) * 2:
                raise ZooError(
                    f"{registry.title(cfg[part.name]['name'])} gives level {level!r} as "
                    f"{tuple(spec.shape)} for images of {side}×{side}, not of stride "
                    f"{stride(level)}; level 'Pn' has stride 2ⁿ"
                )


def _coarsest(*pyramids: Mapping[str, Any]) -> int:
    """The largest stride of the levels of some pyramids: level n has stride 2ⁿ."""
    return max(stride(level) for pyramid in pyramids for level in pyramid)
