"""What a data set of somebody else must keep of the contract, checked before it is used."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, TypeGuard

import numpy as np

from zoo.data.lint import box_problem
from zoo.data.sample import Labels, Source
from zoo.errors import ZooError
from zoo.registry import DATASETS

METHODS = ("__len__", "id", "labels", "image", "size")


def check_source(name: str, source: Any) -> None:
    """Refuse a data set that does not keep to `zoo.data.sample.Source`.

    Reads every label, and the pixels of the first image.

    Args:
        name: of the part of kind `dataset`.
        source: what it gives.

    Raises:
        ZooError: names the part, who provides it, and the first thing that does not fit.
    """
    try:
        _check(source)
    except _Broken as error:
        raise ZooError(
            f"dataset {name!r} ({DATASETS.origin(name)}) {error}; zoo.data.sample.Source says what "
            "a data set gives"
        ) from error


class _Broken(Exception):
    """What does not fit, as the predicate of a sentence."""


def _check(source: Any) -> None:
    for method in METHODS:
        if not callable(getattr(source, method, None)):
            raise _Broken(f"gives a {type(source).__name__} without a method {method}()")
    names, ids = getattr(source, "class_names", None), getattr(source, "category_ids", None)
    if not _list_of(names, str) or not names or len(set(names)) < len(names):
        raise _Broken(f"has class_names={names!r}, no list of distinct texts")
    if not _list_of(ids, int) or len(ids) != len(names) or len(set(ids)) < len(ids):
        raise _Broken(f"has category_ids={ids!r}, no list of one int a class, all different")
    if len(source) < 1:
        raise _Broken("has no images")
    seen: set[int | str] = set()
    for index in range(len(source)):
        id, size = source.id(index), source.size(index)
        if not isinstance(id, int | str) or id in seen:
            raise _Broken(f"has id({index}) {id!r}, no int or text that only this image has")
        seen.add(id)
        if not _is_size(size):
            raise _Broken(f"has size({index}) {size!r}, no tuple of a height and a width")
        if problem := _problem(source.labels(index), size, len(names)):
            raise _Broken(f"has labels({index}) {problem}")
    _check_image(source)
    if not isinstance(getattr(source, "fingerprint", None), str):
        raise _Broken("has a fingerprint that is no text; it is a property, not a method")


def _list_of(values: Any, kind: type) -> TypeGuard[Sequence[Any]]:
    return (
        isinstance(values, Sequence)
        and not isinstance(values, str)
        and all(isinstance(value, kind) for value in values)
    )


def _is_size(size: Any) -> bool:
    return (
        isinstance(size, tuple)
        and len(size) == 2
        and all(isinstance(side, Integral) and int(side) > 0 for side in size)
    )


def _problem(labels: Any, size: tuple[int, int], classes: int) -> str | None:
    """What is wrong with the labels of an image of this size, or None."""
    if not isinstance(labels, Labels):
        return f"of type {type(labels).__name__}, not zoo.data.sample.Labels"
    number = len(labels.boxes)
    shapes = {"boxes": (number, 4), "classes": (number,), "crowd": (number,), "area": (number,)}
    for key, shape in shapes.items():
        if np.shape(getattr(labels, key)) != shape:
            return f"whose {key} have the shape {np.shape(getattr(labels, key))}, not {shape}"
    if labels.crowd.dtype != bool or not np.issubdtype(labels.classes.dtype, np.integer):
        return "made by hand of other types; zoo.data.sample.Labels.of makes them right"
    for box, label in zip(labels.boxes.tolist(), labels.classes.tolist(), strict=True):
        if problem := box_problem(box, size):
            return f"whose box ({', '.join(f'{v:g}' for v in box)}) xyxy {problem}"
        if not 0 <= label < classes:
            return f"of the class {label} where there are {classes}"
    return None


def _check_image(source: Source) -> None:
    image, size = source.image(0), source.size(0)
    if not isinstance(image, np.ndarray):
        raise _Broken(f"has image(0) of type {type(image).__name__}, no uint8 array")
    if image.dtype != np.uint8 or image.shape != (*size, 3):
        height, width = size
        raise _Broken(
            f"has image(0) {image.dtype} {image.shape}, not uint8 ({height}, {width}, 3) as "
            "size(0) says"
        )
