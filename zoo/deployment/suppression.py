"""Greedy suppression in operations that every exported format has and runs fast."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from zoo.errors import ZooError
from zoo.nms.candidates import LARGEST, check_settings
from zoo.nms.overlap import EXPONENT, Suppresses, by_distance_iou, by_iou
from zoo.registry import NMS
from zoo.signature import check_call

#: Kinds of `zoo.nms` that are greedy: the exponent of d²/c², by default; None: IoU alone.
GREEDY = {"default": None, "greedynms": EXPONENT, "diounms": EXPONENT}


class Known:
    """Scores of boxes in classes that are computed already, (batch, n, classes)."""

    def __init__(self, scores: Any):
        self.scores = scores

    def all(self) -> Any:
        """Of all boxes, (batch, n, classes)."""
        return self.scores

    def above(self, image: int, threshold: float) -> tuple[Any, Any]:
        """Rows (m,) of the boxes of an image that may score more, and those scores (m, classes).

        Rows are those of the boxes of all images, one below the other.
        """
        import tensorflow as tf

        row = _rows_above(tf.reduce_max(self.scores, axis=-1), image, threshold)
        return row, tf.gather(_one_below_the_other(self.scores), row)


class Factors:
    """Scores of boxes in classes as products, of which only those are computed that may matter.

    Args:
        objectness: (batch, n, 1), in [0, 1].
        classes: (batch, n, classes); a score is objectness times what `probabilities` makes of it.
        probabilities: of any shape to the same shape, in [0, 1].
    """

    def __init__(self, objectness: Any, classes: Any, probabilities: Callable[[Any], Any]):
        self.objectness = objectness
        self.classes = classes
        self.probabilities = probabilities

    def all(self) -> Any:
        """Of all boxes, (batch, n, classes)."""
        return self.objectness * self.probabilities(self.classes)

    def above(self, image: int, threshold: float) -> tuple[Any, Any]:
        """As of `Known`: no score exceeds its objectness, and that of most boxes is near 0."""
        import tensorflow as tf

        row = _rows_above(self.objectness[..., 0], image, threshold)
        classes = self.probabilities(tf.gather(_one_below_the_other(self.classes), row))
        return row, tf.gather(_one_below_the_other(self.objectness), row) * classes


def _rows_above(values: Any, image: int, threshold: float) -> Any:
    """Where the values (batch, n) of an image exceed a threshold."""
    import tensorflow as tf

    batch, boxes_each = values.shape
    own = values[image] if batch > 1 else tf.reshape(values, (-1,))
    return tf.cast(tf.reshape(tf.where(own > threshold), (-1,)), "int32") + image * boxes_each


def _one_below_the_other(values: Any) -> Any:
    """(batch, n, k) as (batch · n, k): to slice an image out takes LiteRT 1.5 ms of 80 classes."""
    import tensorflow as tf

    return tf.reshape(values, (-1, values.shape[-1]))


def suppress(boxes: Any, scores: Known | Factors, cfg: Mapping[str, Any]) -> dict[str, Any]:
    """As `zoo.nms.greedy.greedy`, its results the same, traced by TensorFlow for a converter.

    The nested loops of that one are for XLA; interpreters of ONNX and LiteRT pay for each of their
    steps or do not take them. Here candidates are compressed to as many as there are, which those
    may and XLA may not, and one loop settles them.

    Args:
        boxes: xyxy (batch, n, 4), the batch known.
        scores: of these boxes.
        cfg: plain config of a greedy NMS part.

    Raises:
        ZooError: the NMS is of another kind, has a key or a value that this one does not take,
            limits the detections of a class, or lets nothing through.
    """
    import tensorflow as tf

    settings = _settings(cfg)
    rows_of_all = _one_below_the_other(boxes)
    images = [
        _suppress_one(rows_of_all, scores, image, settings) for image in range(boxes.shape[0])
    ]
    rows, count, candidates = (tf.stack(part) for part in zip(*images, strict=True))
    return {
        "boxes": rows[..., :4],
        "scores": rows[..., 4],
        "classes": tf.cast(rows[..., 5], "int32"),
        "count": count,
        "candidates": candidates,
    }


def _settings(cfg: Mapping[str, Any]) -> dict[str, Any]:
    name = cfg["name"]
    if str(name) not in GREEDY:  # of a list, too
        kinds = " or ".join(f"+name={kind}" for kind in GREEDY)
        raise ZooError(
            f"an exported model has no nms {name!r}; export it with {kinds}, or with "
            "suppress=false for boxes and scores of all anchors"
        )
    keywords = {key: value for key, value in cfg.items() if key != "name"}
    check_call(f"nms {name!r}", NMS[name], (None, None), keywords, {})  # boxes and scores come
    settings = {"beta": GREEDY[name], **NMS.settings(cfg)}
    if settings["max_per_class"] is not None:
        raise ZooError(
            f"nms max_per_class={settings['max_per_class']}: an exported model has no such limit; "
            "leave it null, or export with suppress=false"
        )
    check_settings(**settings)
    return settings


def _suppress_one(
    boxes: Any, scores: Known | Factors, image: int, settings: Mapping[str, Any]
) -> tuple[Any, Any, Any]:
    """Rows (k, 6) of x1, y1, x2, y2, score and class, their number, and that of the candidates.

    `boxes` are those of all images, one below the other.
    """
    import tensorflow as tf

    found, index, candidates = _candidates(boxes, scores, image, settings)
    k = tf.minimum(tf.size(found), settings["max_candidates"])
    found, order = tf.math.top_k(found, k)  # of equals the first, as in `zoo.nms`
    index = tf.gather(index, order)
    picked = tf.gather(boxes, index[:, 0])
    corners = [picked[:, side] for side in range(4)]
    label = tf.cast(index[:, 1], "float32")
    beta = settings["beta"]
    rule = by_iou if beta is None else by_distance_iou(beta)
    keep = _settle(corners, label, found, rule, settings)
    place = tf.reshape(tf.where(keep > 0), (-1,))
    rows = tf.gather(tf.stack([*corners, found, label], axis=-1), place)
    limit = settings["max_detections"]
    rows = tf.concat([rows, tf.zeros((limit, 6))], axis=0)[:limit]
    count = tf.minimum(tf.reduce_sum(tf.cast(keep, "int32")), limit)
    return tf.reshape(rows, (limit, 6)), count, candidates


def _candidates(
    boxes: Any, scores: Known | Factors, image: int, settings: Mapping[str, Any]
) -> tuple[Any, Any, Any]:
    """Scores of all candidates and one of 0, so that none is empty; their (box, class); number."""
    import tensorflow as tf

    threshold = max(settings["score_threshold"], 0.0)
    row, likely = scores.above(image, threshold)
    # No comparison with what is no number holds.
    within = tf.reduce_max(tf.abs(tf.gather(boxes, row)), axis=-1, keepdims=True) < LARGEST
    numbers = tf.reduce_sum(likely, axis=-1, keepdims=True) < LARGEST
    hit = tf.logical_and(likely > threshold, tf.logical_and(within, numbers))
    if not settings["multi_label"]:
        best = tf.cast(tf.argmax(likely, axis=-1), "int32")[:, None]
        hit = tf.logical_and(hit, tf.range(likely.shape[-1])[None] == best)
    index = tf.cast(tf.where(hit), "int32")
    found = tf.concat([tf.gather_nd(likely, index), tf.zeros((1,))], axis=0)
    index = tf.stack([tf.gather(row, index[:, 0]), index[:, 1]], axis=-1)
    index = tf.concat([index, tf.zeros((1, 2), "int32")], axis=0)
    return found, index, tf.size(found) - 1


def _settle(
    corners: Any, label: Any, found: Any, suppresses: Suppresses, settings: Mapping[str, Any]
) -> Any:
    """1 for each candidate that is kept, else 0: the fixed point that `zoo.nms.greedy` tells of."""
    import tensorflow as tf

    a, b = [c[None, :] for c in corners], [c[:, None] for c in corners]
    beaten = suppresses(a, b, settings["iou_threshold"])
    if not settings["class_agnostic"]:
        beaten = tf.logical_and(beaten, label[None, :] == label[:, None])
    order = tf.range(tf.size(found))
    beaten = tf.logical_and(beaten, order[None, :] < order[:, None])
    beaten, valid = tf.cast(beaten, "float32"), tf.cast(found > 0, "float32")

    def next_round(keep: Any, _: Any) -> tuple[Any, Any]:
        by = tf.reshape(tf.matmul(beaten, keep[:, None]), (-1,))
        return valid * tf.cast(by < 0.5, "float32"), keep

    def changed(keep: Any, previous: Any) -> Any:
        return tf.reduce_sum(tf.abs(keep - previous)) > 0

    shapes = (tf.TensorShape([None]), tf.TensorShape([None]))
    keep, _ = tf.while_loop(changed, next_round, next_round(valid, valid), shape_invariants=shapes)
    return keep
