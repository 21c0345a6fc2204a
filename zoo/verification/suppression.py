"""Darknet's non-maximum suppression once more, in NumPy and as the C code goes: one pair at a time.

It shares nothing with `zoo.nms`, which it is compared with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.errors import ZooError, nearest

#: The exponent of d²/c² in the measure of each kind; None: plain IoU [box.c].
EXPONENTS = {"default": None, "diounms": 0.6, "greedynms": 0.6}
#: So many best pairs are looked at, and kept at most, where detections are compared: low
#: thresholds leave many of them.
LIMITS = {"max_candidates": 4096, "max_detections": 4096}
#: Settings of ours that Darknet has not, and the values with which ours does what Darknet does.
ABSENT = {"max_per_class": None, "class_agnostic": False, "multi_label": True}


def check_nms(nms: Mapping[str, Any]) -> None:
    """Refuse a config of an NMS that Darknet cannot be asked for.

    Raises:
        ZooError: Darknet has no suppression of that name, or not such a setting.
    """
    if nms["name"] not in EXPONENTS:
        raise ZooError(f"Darknet has no NMS {nms['name']!r}; {nearest(nms['name'], EXPONENTS)}")
    for key, value in ABSENT.items():
        if nms.get(key, value) != value:
            raise ZooError(
                f"nms {key}={json.dumps(nms[key])}: Darknet's NMS has no such setting; to compare "
                f"a model with Darknet leave it {json.dumps(value)}"
            )


def suppressed(
    cxcywh: np.ndarray,
    scores: np.ndarray,
    *,
    name: str,
    score_threshold: float,
    iou_threshold: float = 0.45,
    beta: float = 0.6,
    max_candidates: int = 4096,
    max_detections: int = 300,
    max_per_class: int | None = None,
    class_agnostic: bool = False,
    multi_label: bool = True,
) -> dict[str, np.ndarray]:
    """Greedy suppression within each class [box.c:do_nms_sort, diounms_sort].

    Args:
        cxcywh: boxes (n, 4) relative to the network input.
        scores: (n, classes).
        name: Darknet's `nms_kind`.
        score_threshold: candidates score more than this.
        iou_threshold: measure that suppresses.
        beta: exponent of `diounms`.
        max_candidates: best (box, class) pairs that are looked at.
        max_detections: best kept pairs that are returned.
        max_per_class: None; others are refused, as of the next two: Darknet has no such settings.
        class_agnostic: False.
        multi_label: True.

    Returns:
        A batch of one as `zoo.nms.candidates.detections` gives it: boxes xyxy (1, k, 4), scores and
        classes (1, k) in falling order of score, count and candidates (1,).

    Raises:
        ZooError: see `check_nms`.
    """
    check_nms(
        {
            "name": name,
            "max_per_class": max_per_class,
            "class_agnostic": class_agnostic,
            "multi_label": multi_label,
        }
    )
    exponent = beta if name == "diounms" else EXPONENTS[name]
    rows, classes = np.nonzero(scores > score_threshold)
    best = np.argsort(-scores[rows, classes], kind="stable")[:max_candidates]
    xyxy = np.concatenate([cxcywh[:, :2] - cxcywh[:, 2:] / 2, cxcywh[:, :2] + cxcywh[:, 2:] / 2], 1)
    kept: list[tuple[int, int]] = []
    for row, label in zip(rows[best], classes[best], strict=True):
        same = [other for other, its_class in kept if its_class == label]
        if not (overlaps(xyxy[row], xyxy[same], exponent) > iou_threshold).any():
            kept.append((row, label))
    kept = kept[:max_detections]
    chosen = np.array([row for row, _ in kept], int)
    labels = np.array([label for _, label in kept], np.int32)
    return {
        "boxes": xyxy[None, chosen],
        "scores": scores[None, chosen, labels],
        "classes": labels[None],
        "count": np.array([len(kept)], np.int32),
        "candidates": np.array([len(rows)], np.int32),
    }


def overlaps(box: np.ndarray, others: np.ndarray, exponent: float | None) -> Any:
    """IoU of a box with others (n, 4), all xyxy, less (d²/c²)^exponent if there is one."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    inner = np.prod(np.maximum(high - low, 0), axis=1)
    union = np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1) - inner
    iou = np.divide(inner, union, out=np.zeros_like(inner), where=union != 0)
    if exponent is None:
        return iou
    apart = (box[:2] + box[2:] - others[:, :2] - others[:, 2:]) / 2
    outer = np.maximum(box[2:], others[:, 2:]) - np.minimum(box[:2], others[:, :2])
    d, c = np.sum(apart**2, axis=1), np.sum(outer**2, axis=1)
    return iou - np.divide(d, c, out=np.zeros_like(d), where=c != 0) ** exponent
