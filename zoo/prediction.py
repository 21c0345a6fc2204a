"""Raw predictions → detections: a head's decoding and an NMS as one layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras

from zoo import building
from zoo.errors import PartFailed, ZooError
from zoo.nms.candidates import check_settings
from zoo.ops.boxes import within
from zoo.ops.compile import xla
from zoo.registry import HEADS, NMS
from zoo.signature import check_call


@keras.saving.register_keras_serializable("zoo")
class DecodeAndSuppress(keras.layers.Layer):
    """Raw predictions → fixed-size detections: the head's decoding and an NMS, XLA-compiled.

    Args:
        head: plain config of the head.
        num_classes: classes of the head.
        nms: plain config of the NMS part.

    Raises:
        ZooError: the NMS does not take its config, or does not give what an NMS gives.
    """

    def __init__(
        self, head: Mapping[str, Any], num_classes: int, nms: Mapping[str, Any], **kwargs: Any
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.settings: dict[str, Any] = {
            "head": dict(head),
            "num_classes": num_classes,
            "nms": dict(nms),
        }
        self._head = building.build("head", head, num_classes=num_classes)
        self._run = xla(self._detect)
        self._given = _given_by(self.settings["nms"], num_classes)

    def _detect(self, predictions: Any, *window: Any) -> Any:
        boxes, scores = self._head.decode(predictions)
        if window:
            boxes = within(boxes, *window)
        return building.build("nms", self.settings["nms"], boxes, scores)

    def call(self, predictions: dict[str, Any], window: Any = None) -> dict[str, Any]:
        """As `zoo.nms.candidates.detections`; `window` is that of `Detector.predictor`."""
        return self._run(predictions) if window is None else self._run(predictions, window)

    def compute_output_spec(
        self, predictions: dict[str, Any], window: Any = None
    ) -> dict[str, Any]:
        """Shapes of the detections; the batch stays open."""
        batch = next(iter(predictions.values())).shape[0]
        return {
            key: keras.KerasTensor((batch, *spec.shape[1:]), spec.dtype)
            for key, spec in self._given.items()
        }

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this layer again."""
        return {**super().get_config(), **self.settings}


class _Traced(keras.Operation):
    """What a function gives, to be traced without data."""

    def __init__(self, function: Callable[..., Any]):
        super().__init__()
        self._function = function

    def call(self, *inputs: Any) -> Any:
        return self._function(*inputs)


def _given_by(cfg: Mapping[str, Any], classes: int) -> dict[str, Any]:
    """What the NMS of a config gives for one image, as specs.

    Raises:
        ZooError: it does not take its config, a setting of it means nothing, or one of somebody
            else does not give what an NMS gives.
    """
    if NMS.origin(cfg["name"]) == "zoo":  # it keeps the contract; tracing takes half a second
        keywords = {key: value for key, value in cfg.items() if key != "name"}
        check_call(NMS.title(cfg["name"]), NMS[cfg["name"]], (None, None), keywords, {})
        check_settings(**keywords)
        k = NMS.settings(cfg).get("max_detections")
        return {
            "boxes": keras.KerasTensor((1, k, 4), "float32"),
            "scores": keras.KerasTensor((1, k), "float32"),
            "classes": keras.KerasTensor((1, k), "int32"),
            "count": keras.KerasTensor((1,), "int32"),
            "candidates": keras.KerasTensor((1,), "int32"),
        }
    count = 22743  # boxes of yolov4 at 608²: an NMS that takes the best of so many finds them
    boxes, scores = keras.KerasTensor((1, count, 4)), keras.KerasTensor((1, count, classes))
    try:
        given = _Traced(partial(building.build, "nms", cfg)).compute_output_spec(boxes, scores)
    except ZooError as error:
        raise error.__context__ or error from None  # as it was before Keras explained it
    shapes: Any = f"a {type(given).__name__}"
    if isinstance(given, Mapping):
        shapes = {key: getattr(spec, "shape", spec) for key, spec in given.items()}
        k = (shapes.get("scores") or (None,))[-1]
        one = {"boxes": (1, k, 4), "count": (1,), "candidates": (1,)}
        if k is not None and shapes == {**one, "scores": (1, k), "classes": (1, k)}:
            return dict(given)
    raise ZooError(
        f"{NMS.title(cfg['name'])} gives {shapes} for one image, not boxes (1, k, 4), scores "
        "(1, k), classes (1, k), count (1,) and candidates (1,) with a fixed k"
    )


def check_decoding(head: Any, name: str, raw: Mapping[str, Any], num_classes: int) -> None:
    """Refuse a head whose `decode` does not give what a head gives, traced for one image.

    Args:
        head: the part.
        name: of its config.
        raw: specs of its raw predictions of one image.
        num_classes: of its scores.

    Raises:
        ZooError: names the head, and what it gives.
    """
    title = HEADS.title(name)
    if not callable(getattr(head, "decode", None)):
        raise ZooError(f"{title} gives a {type(head).__name__} without a method decode()")
    raw = {level: keras.KerasTensor(spec.shape, "float32") for level, spec in raw.items()}
    try:
        given = _Traced(head.decode).compute_output_spec(raw)
    except ZooError:
        raise
    except Exception as error:  # a stranger's part may raise anything
        reason = next(iter(str(error).splitlines()), "")
        raise PartFailed(f"{title}: its decode failed: {type(error).__name__}: {reason}") from error
    shapes: Any = f"a {type(given).__name__}"
    if isinstance(given, tuple | list):
        shapes = [(spec.dtype, tuple(spec.shape)) for spec in given if hasattr(spec, "shape")]
        n = shapes[0][1][1] if shapes and len(shapes[0][1]) == 3 else None
        if shapes == [("float32", (1, n, 4)), ("float32", (1, n, num_classes))]:
            return
        shapes = ", ".join(f"{dtype} {shape}" for dtype, shape in shapes) or "nothing"
    raise ZooError(
        f"{title}: its decode gives {shapes} for one image, not boxes float32 (1, n, 4) and "
        f"scores float32 (1, n, {num_classes})"
    )
