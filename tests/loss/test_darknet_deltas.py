"""Gradient and cost of the loss against Darknet's, on its official heads."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import pytest
from darknet_truth import xyxy_pixels
from gradients import parts_and_gradients

from zoo.head.yolo import YoloHead
from zoo.loss.yolo import YoloLoss

SCENES = [
    "96x96_c3_mixed",
    "96x96_c3_cell",
    "96x96_c3_border",
    "160x96_c3_mixed",
    "96x64_c80_mixed",
]
MODELS = {
    "yolov3": SCENES,
    "yolov4": SCENES,
    "yolov4-tiny": SCENES,
    "yolov4-csp": SCENES,
    "yolov4-csp-swish": SCENES[:4],
    "yolov4-p5": SCENES[:4],
}
SWITCHES = [
    "switch_iou_yolov4",
    "switch_giou_yolov4",
    "switch_diou_yolov4",
    "switch_max_delta_yolov4",
    "switch_label_smooth_yolov4-tiny",
    "switch_truth_thresh_yolov3",
    "switch_truth_thresh_smooth_yolov4-csp",
    "switch_focal_yolov3",
    "switch_counters_yolov4",
]
CASES = [f"{model}_{scene}" for model, scenes in MODELS.items() for scene in scenes] + SWITCHES


def numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(",")]


# Darknet's key → ours, and how its value reads.
KEYS = {
    "iou_loss": ("box", str),
    "ignore_thresh": ("ignore_threshold", float),
    "truth_thresh": ("truth_threshold", float),
    "iou_thresh": ("iou_threshold", float),
    "iou_normalizer": ("box_normalizer", float),
    "obj_normalizer": ("objectness_normalizer", float),
    "cls_normalizer": ("class_normalizer", float),
    "max_delta": ("max_delta", float),
    "label_smooth_eps": ("label_smoothing", float),
    "objectness_smooth": ("objectness_smooth", lambda text: text == "1"),
    "focal_loss": ("focal", lambda text: text == "1"),
    "counters_per_class": ("class_counts", numbers),
}
#: What Darknet takes where a section says nothing.
DEFAULTS = {"iou_loss": "mse", "objectness_smooth": "0"}


def yolo_sections(cfg: str) -> list[dict[str, str]]:
    sections = cfg.split("[yolo]")[1:]
    lines = [section.split("[")[0].split() for section in sections]
    return [dict(line.split("=", 1) for line in section) for section in lines]


@functools.cache
def loss_of(cfg: str, strides: tuple[int, ...], classes: int) -> YoloLoss:
    """The loss that a cfg describes; one object for equal cfgs, which JAX compiles once."""
    levels = [f"P{stride.bit_length() - 1}" for stride in strides]
    sections = dict(zip(levels, yolo_sections(cfg), strict=True))
    first = sections[levels[0]]
    head = YoloHead(
        num_classes=classes,
        anchors=np.reshape(numbers(first["anchors"]), (-1, 2)).tolist(),
        masks={
            level: [int(index) for index in section["mask"].split(",")]
            for level, section in sections.items()
        },
        scale_xy={level: float(section.get("scale_x_y", 1)) for level, section in sections.items()},
        new_coords=first.get("new_coords") == "1",
    )
    sections = {level: {**DEFAULTS, **section} for level, section in sections.items()}
    options = {
        ours: {level: read(section[key]) for level, section in sections.items()}
        for key, (ours, read) in KEYS.items()
        if key in sections[levels[0]]
    }
    return YoloLoss(head, **options)


def test_every_case_is_compared(oracle_dir: Path):
    found = {file.stem for file in (oracle_dir / "train/heads").glob("*.npz")}
    assert found == set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_gradient_and_cost_equal_darknet(oracle_dir: Path, case):
    with np.load(oracle_dir / f"train/heads/{case}.npz") as golden:
        golden = dict(golden)
    meta = json.loads(str(golden["meta_json"]))
    width, height = meta["net_w"], meta["net_h"]
    raw, deltas = (
        [np.moveaxis(golden[f"head{k}_{name}"], 1, -1) for k in range(len(golden["cost"]))]
        for name in ("in", "delta")
    )
    cfg = (oracle_dir / f"train/heads/{case}.cfg").read_text()
    strides = tuple(height // values.shape[1] for values in raw)
    loss = loss_of(cfg, strides, meta["classes"])
    truth = xyxy_pixels(golden["truth"], width, height)

    levels = list(loss.head.masks)
    parts, gradients = parts_and_gradients(loss, truth, dict(zip(levels, raw, strict=True)))

    for level, expected in zip(levels, deltas, strict=True):
        error = np.abs(-gradients[level] - expected) / np.maximum(1, np.abs(expected))
        assert error.max() <= 2e-4, level
    cost = sum(part.sum() for part in parts.values())
    assert cost == pytest.approx(meta["network_cost"], rel=1e-4)
