"""A `.cfg`, with its `.weights` and names, as a detector or a classifier."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from zoo import config
from zoo.darknet.backbone import yolo_levels
from zoo.darknet.cfg import Cfg, Section, read_cfg
from zoo.darknet.classifier import Classifier
from zoo.darknet.graph import FIXED
from zoo.darknet.keys import unheeded
from zoo.darknet.plan import Layer, Plan, plan
from zoo.darknet.sections.heads import anchors_of, mask_of
from zoo.darknet.weights import initialise
from zoo.data.lint import checked_names, names_of_lines
from zoo.detector import Detector
from zoo.errors import ZooError
from zoo.loss.settings import RANGES
from zoo.ranges import FACTOR, POSITIVE, Range, is_in

log = logging.getLogger(__name__)

NMS = ("default", "greedynms", "diounms")
#: Keyword of the loss → Darknet's key and its default [parser.c:parse_yolo].
NUMBERS: dict[str, tuple[str, float | None]] = {
    "ignore_threshold": ("ignore_thresh", 0.5),
    "truth_threshold": ("truth_thresh", 1.0),
    "iou_threshold": ("iou_thresh", 1.0),
    "box_normalizer": ("iou_normalizer", 0.75),
    "objectness_normalizer": ("obj_normalizer", 1.0),
    "class_normalizer": ("cls_normalizer", 1.0),
    "max_delta": ("max_delta", None),
    "label_smoothing": ("label_smooth_eps", 0.0),
}
IOU_LOSSES = ("mse", "giou", "diou", "ciou")


def load_cfg(
    path: str | os.PathLike[str],
    weights: str | os.PathLike[str] | None = None,
    class_names: Sequence[str] | str | os.PathLike[str] | None = None,
) -> Any:
    """A model of a Darknet cfg.

    Args:
        path: the `.cfg` file.
        weights: a `.weights` file of the same network, to the byte; or a `.conv.N` file, the start
            of one, whose name asks to load the first layers and leave the others fresh. None leaves
            all fresh.
        class_names: names in order; a file with one a line; or the name of a list of
            `conf/classes`, as `"coco"`. By default the numbers "0", "1", …

    Returns:
        A `zoo.detector.Detector` if the cfg has [yolo] sections, else a
        `zoo.darknet.classifier.Classifier`.

    Raises:
        ZooError: a file cannot be read, is not supported (the error names the line), or does not
            fit the other.
    """
    cfg = read_cfg(path)
    planned = plan(cfg)
    if keys := unheeded(cfg):
        log.warning("%s: of no effect here, where training has settings of its own: %s",
                    cfg.source, keys)  # fmt: skip
    kind = Detector if planned.of_kind("yolo") else Classifier
    settings = detector_config(planned) if kind is Detector else classifier_config(planned)
    model = kind(settings, names(class_names, _classes(planned)))
    if weights is not None:
        log.info("%s: %s", weights, initialise(model, weights))
    return model


def names(given: Sequence[str] | str | os.PathLike[str] | None, count: int) -> list[str]:
    """Class names from what `load_cfg` takes.

    Raises:
        ZooError: there are not `count` of them, two are the same, one is empty or no text, or the
            file cannot be read.
    """
    if given is None:
        return [str(number) for number in range(count)]
    if isinstance(given, Iterable) and not isinstance(given, str):
        listed = [str(name) if isinstance(name, str) else name for name in given]  # NumPy's
        found, where = checked_names(listed, "class_names"), "class_names"
    else:
        found, where = _names_of(str(given)), f"class_names {str(given)!r}"
    if len(found) != count:
        raise ZooError(f"{where}: {len(found)} names, the cfg has {count} classes")
    return found


def _names_of(given: str) -> list[str]:
    if given in config.options("classes"):
        return config.class_names(given)
    try:
        text = Path(given).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        lists = ", ".join(config.options("classes"))
        raise ZooError(
            f"class_names {given!r} is no file of names, nor a list of conf/classes ({lists}): "
            f"{error}"
        ) from error
    return names_of_lines(text, f"class_names {given!r}")


# === Config ===


def classifier_config(planned: Plan) -> dict[str, Any]:
    """The config of a cfg without [yolo]."""
    return {"name": _name(planned.cfg), "backbone": _backbone(planned.cfg)}


def detector_config(planned: Plan) -> dict[str, Any]:
    """The config of a cfg with [yolo] sections, as those of `conf/model`.

    Raises:
        ZooError: the sections differ in what a detector has once: classes, `new_coords`.
    """
    image, net = planned.image, planned.cfg.net
    if image.channels != 3:
        raise net.error(f"a detector sees 3 channels, not channels={image.channels}", "channels")
    for layer in planned.layers:
        if layer.section.kind in FIXED:
            raise layer.section.error("a detector takes images of any size, this layer does not")
    sections = {level: layer.section for level, layer in yolo_levels(planned).items()}
    _same(planned, sections, "classes", 20)
    loss = _loss(planned.cfg, sections)
    return {
        "name": _name(planned.cfg),
        "image_size": [image.height, image.width],
        "resize": "letterbox" if net.integer("letter_box", 0) else "stretch",
        "backbone": _backbone(planned.cfg),
        "neck": {"name": "identity"},
        "head": _head(planned, sections),
        **({"loss": loss} if loss else {}),
        "nms": _nms(list(sections.values())[-1]),
    }


def _name(cfg: Cfg) -> str:
    """The file's name, of letters that Keras and TensorFlow accept."""
    return re.sub(r"[^A-Za-z0-9]+", "_", Path(cfg.source).stem).strip("_") or "cfg"


def _backbone(cfg: Cfg) -> dict[str, Any]:
    return {"name": "darknet_cfg", "text": cfg.text}


def _classes(planned: Plan) -> int:
    yolo = planned.of_kind("yolo")
    last: Layer = yolo[0] if yolo else planned.layers[-1]
    return last.section.count("classes", 20) if yolo else last.output.channels


def _head(planned: Plan, sections: dict[str, Section]) -> dict[str, Any]:
    anchors, masks = anchors_and_masks(sections.values())
    return {
        "name": "raw_yolo",
        "anchors": anchors,
        "masks": dict(zip(sections, masks, strict=True)),
        "scale_xy": _one_or_each(
            {level: _number(s, "scale_x_y", 1.0, FACTOR) for level, s in sections.items()}
        ),
        "new_coords": bool(_same(planned, sections, "new_coords", 0)),
    }


def anchors_and_masks(sections: Iterable[Section]) -> tuple[list[list[float]], list[list[int]]]:
    """One list of anchors for all [yolo], and the mask of each as indices into it.

    Raises:
        ZooError: a side of an anchor is not positive.
    """
    anchors: list[list[float]] = []
    masks = []
    first: dict[str, int] = {}
    for section in sections:
        own = anchors_of(section)
        if any(not is_in(side, POSITIVE) for anchor in own for side in anchor):
            raise section.error(f"anchors {own}: each side must be above 0", "anchors")
        start = first.setdefault(str(own), len(anchors))
        if start == len(anchors):
            anchors += own
        masks.append([start + index for index in mask_of(section)])
    return anchors, masks


def decodings(
    sections: Sequence[Section], head: Any
) -> Iterator[tuple[Section, str, dict[str, Any], dict[str, Any]]]:
    """How each [yolo] makes boxes, and how a head does, level by level.

    Yields:
        The section, the level of `head` that stands for it, and of both by Darknet's keys:
        classes, mask (indices into `anchors`), anchors of all levels, scale_x_y, new_coords.
    """
    anchors, masks = anchors_and_masks(sections)
    for section, level, mask in zip(sections, head.masks, masks, strict=False):
        theirs = {
            "classes": section.integer("classes", 20),
            "mask": mask,
            "anchors": anchors,
            "scale_x_y": section.number("scale_x_y", 1.0),
            "new_coords": section.integer("new_coords", 0),
        }
        ours = {
            "classes": head.num_classes,
            "mask": head.masks[level],
            "anchors": head.anchors,
            "scale_x_y": float(head.scale_xy[level]),
            "new_coords": int(head.new_coords),
        }
        yield section, level, theirs, ours


def _same(planned: Plan, sections: dict[str, Section], key: str, default: int) -> int:
    values = {section.integer(key, default) for section in sections.values()}
    if len(values) > 1:
        lines = ", ".join(str(section.line) for section in sections.values())
        raise ZooError(
            f"{planned.cfg.source}: the [yolo] sections of lines {lines} have {key}= "
            f"{sorted(values)}; a detector has one for all"
        )
    return values.pop()


def _nms(section: Section) -> dict[str, Any]:
    """Of the last [yolo], as Darknet's commands take it [detector.c:test_detector]."""
    nms: dict[str, Any] = {"name": nms_kind(section)}
    if nms["name"] == "diounms":
        nms["beta"] = _number(section, "beta_nms", 0.6, POSITIVE)
    return {**nms, "score_threshold": 0.25, "iou_threshold": 0.45}


def nms_kind(section: Section) -> str:
    """The kind of a [yolo]; one that Darknet does not know is its default [parser.c:parse_yolo]."""
    kind = section.text("nms_kind", "default")
    return kind if kind in NMS else "default"


def _loss(cfg: Cfg, sections: dict[str, Section]) -> dict[str, Any]:
    """What the [yolo] sections say about training; nothing where that has no counterpart."""
    if reason := _untrainable(list(sections.values())):
        log.warning("%s detects, but has no loss to train with: %s", cfg.source, reason)
        return {}
    by_level = {level: _loss_of(section) for level, section in sections.items()}
    keys = next(iter(by_level.values()))
    settings = {key: _one_or_each({level: by_level[level][key] for level in by_level})
                for key in keys}  # fmt: skip
    return {"name": "yolo", **settings}


def _untrainable(sections: list[Section]) -> str:
    for section in sections:
        if anchors_of(section) != anchors_of(sections[0]):
            return f"the [yolo] of line {section.line} has other anchors than the first one"
        if section.number("delta_normalizer", 1.0) != 1:
            return f"delta_normalizer of the [yolo] of line {section.line}"
        if section.text("iou_thresh_kind", "iou") != "iou":
            return f"iou_thresh_kind of the [yolo] of line {section.line}"
    return ""


def _loss_of(section: Section) -> dict[str, Any]:
    """Keywords of `zoo.loss.yolo.YoloLoss`, with Darknet's defaults [parser.c:parse_yolo]."""
    box = section.text("iou_loss", "mse")
    counts, classes = section.integers("counters_per_class"), section.count("classes", 20)
    if counts and len(counts) != classes:
        raise section.error(
            f"counters_per_class has {len(counts)} numbers for classes={classes}",
            "counters_per_class",
        )
    return {
        "box": box if box in IOU_LOSSES else "iou",
        **{
            ours: _number(section, key, default, RANGES[ours])
            for ours, (key, default) in NUMBERS.items()
        },
        "objectness_smooth": bool(section.integer("objectness_smooth", 0)),
        "focal": bool(section.integer("focal_loss", 0)),
        # Darknet counts at least one of each class.
        "class_counts": [max(1, n) for n in counts] or None,
    }


def _one_or_each(values: dict[str, Any]) -> Any:
    """One value if all levels have it, else the mapping."""
    first = next(iter(values.values()))
    return first if all(value == first for value in values.values()) else values


def _number(section: Section, key: str, default: float | None, fits: Range) -> float | None:
    """The value of a key, which Darknet takes as it is and our parts only within a range.

    Raises:
        ZooError: it is outside.
    """
    if key not in section.entries:
        return default
    value = section.number(key, 0.0)
    if not is_in(value, fits):
        raise section.error(f"{key}={value:g} must be a number {fits.words}", key)
    return value
