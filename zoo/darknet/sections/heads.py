"""Sections at the end of a network: [yolo], [softmax], [cost]."""

from __future__ import annotations

from typing import Any

from zoo.darknet.cfg import Section
from zoo.darknet.plan import Layer, Plan, name_of
from zoo.layer.softmax import GroupSoftmax
from zoo.layer.yolo_activation import YoloActivation


def yolo(section: Section, plan: Plan) -> Layer:
    """The activations of a head's raw predictions [yolo_layer.c:forward_yolo_layer].

    What the boxes are is in the head that `zoo.darknet.importing` describes.
    """
    shape = plan.shape(plan.last)
    classes, anchors = section.count("classes", 20), len(mask_of(section))
    if shape.channels != anchors * (classes + 5):
        raise section.error(
            f"{anchors} anchors of {classes} classes need {anchors * (classes + 5)} channels "
            f"(mask × (classes + 5)); filters= of the convolution before it gives {shape.channels}",
            "mask" if "mask" in section.entries else "classes",
        )
    scale = section.number("scale_x_y", 1.0)
    new_coords = bool(section.integer("new_coords", 0))

    def draw(drawn: dict[int, Any], x: Any) -> Any:
        return YoloActivation(
            classes, scale_xy=scale, new_coords=new_coords, name=name_of(section)
        )(x)

    return Layer(section, (plan.last,), shape, draw)


def mask_of(section: Section) -> list[int]:
    """The anchors of a [yolo], as indices; all `num` of them by default.

    Raises:
        ZooError: an index is outside the anchors.
    """
    total = section.count("num", 1)
    mask = section.integers("mask") or list(range(total))
    for index in mask:
        if not 0 <= index < total:
            raise section.error(
                f"mask={index} is none of num={total} anchors; num must be the number of all",
                "mask",
            )
    return mask


def anchors_of(section: Section) -> list[list[float]]:
    """All anchors of a [yolo], (width, height) in pixels of the input; missing ones are 0.5."""
    sides = section.numbers("anchors")
    total = 2 * section.count("num", 1)
    sides = (sides + [0.5] * total)[:total]
    return [list(pair) for pair in zip(sides[::2], sides[1::2], strict=True)]


def softmax(section: Section, plan: Plan) -> Layer:
    """Probabilities over all outputs, or those of each group [softmax_layer.c]."""
    shape = plan.shape(plan.last)
    groups, temperature = section.count("groups", 1), section.number("temperature", 1.0)
    spatial = bool(section.number("spatial", 0))
    if shape.channels % groups or (shape[:2] != (1, 1) and (groups > 1 or not spatial)):
        raise section.error(
            f"a softmax of {groups} groups over {tuple(shape)} is not supported: it needs sides "
            "of 1, or one group and spatial=1"
        )
    if temperature <= 0:
        raise section.error(f"temperature={temperature} must be positive", "temperature")

    def draw(drawn: dict[int, Any], x: Any) -> Any:
        return GroupSoftmax(groups=groups, temperature=temperature, name=name_of(section))(x)

    return Layer(section, (plan.last,), shape, draw)


def cost(section: Section, plan: Plan) -> Layer:
    """Training's affair; passes its input on."""
    return Layer(section, (plan.last,), plan.shape(plan.last), lambda drawn, x: x)
