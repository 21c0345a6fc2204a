"""Transforms in turn, as a config lists them."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from zoo.data.geometry import geometry_of
from zoo.data.transforms.example import Example
from zoo.errors import PartFailed, ZooError, nearest
from zoo.ranges import SHARE, check_number
from zoo.registry import TRANSFORMS
from zoo.signature import check_call

log = logging.getLogger(__name__)
#: What the chain gives to a transform whose signature asks for it.
CONTEXT = ("draw", "size", "mode")
#: Of the keywords of each transform: some values fail only for a part of what chance draws.
TRIALS = 8


class Chain:
    """A list of transforms, each with the keywords of its config.

    Args:
        cfgs: configs of parts of kind `transform`.
        max_boxes: rows of ground truth. A mix of images that would have more boxes is not made:
            the image stays as it was before that transform.

    Raises:
        ZooError: no such transform, a key that it does not take, or a value with which it fails.
    """

    def __init__(self, cfgs: Sequence[Mapping[str, Any]], *, max_boxes: int = 100):
        if not isinstance(cfgs, list | tuple):
            raise ZooError(f"augment.transforms={cfgs}: a list of transforms, [] for none")
        self._steps = [_bound(cfg) for cfg in cfgs]
        self._names = [cfg["name"] for cfg in cfgs]
        self._max_boxes = max_boxes
        self._warned = False

    def __call__(
        self,
        example: Example,
        rng: np.random.Generator,
        *,
        draw: Callable[[], Example],
        size: Sequence[int],
        mode: str,
        mixing: bool = True,
    ) -> Example:
        """Run an example through the transforms.

        Args:
            example: the image and its boxes.
            rng: where chance comes from.
            draw: gives another image of the data set, as it is; it goes through the transforms
                before the one that asks for it.
            size: height and width of the network input.
            mode: `"stretch"` or `"letterbox"`.
            mixing: False leaves out the transforms that ask for other images.
        """
        return self._run(example, rng, len(self._steps), draw, tuple(size), mode, mixing)

    def _run(
        self, example: Example, rng: np.random.Generator, count: int, draw: Callable[[], Example],
        size: tuple[int, ...], mode: str, mixing: bool,
    ) -> Example:  # fmt: skip
        for number, (step, wanted) in enumerate(self._steps[:count]):

            def another(before: int = number) -> Example:
                return self._run(draw(), rng, before, draw, size, mode, mixing)

            if "draw" in wanted and not mixing:
                continue
            context = {"draw": another, "size": size, "mode": mode}
            after = step(example, rng, **{key: context[key] for key in wanted})
            if len(after.classes) > self._max_boxes:
                self._warn(number, len(after.classes))
            else:
                example = after
        return example

    def _warn(self, number: int, count: int) -> None:
        if not self._warned:
            self._warned = True
            log.warning(
                "transform %r made an image with %d boxes, more than data.max_boxes=%d; such "
                "mixes are left out, this is said once", self._names[number], count,
                self._max_boxes,
            )  # fmt: skip


def _bound(cfg: Mapping[str, Any]) -> tuple[Callable[..., Example], tuple[str, ...]]:
    """A transform with the keywords of its config, and which context it asks for.

    Checked now, and not in a thread later.
    """
    if not isinstance(cfg, Mapping) or "name" not in cfg:
        raise ZooError(f"a transform needs a `name`; {nearest('', TRANSFORMS.names())}")
    part = TRANSFORMS[cfg["name"]]
    keywords = {key: value for key, value in cfg.items() if key != "name"}
    wanted = tuple(key for key in CONTEXT if key in inspect.signature(part).parameters)
    context = dict.fromkeys(wanted)
    check_call(TRANSFORMS.title(cfg["name"]), part, (None, None), keywords, context)
    if keywords or TRANSFORMS.origin(cfg["name"]) != "zoo":  # our defaults are sound
        _try(cfg["name"], part, keywords, wanted)
    return functools.partial(part, **keywords), wanted


def _try(
    name: str, part: Callable[..., Example], keywords: Mapping[str, Any], wanted: Sequence[str]
) -> None:
    """Run a transform a few times: a value that does not fit, or a result, is an error, said here.

    Raises:
        ZooError: it fails, writes to what it was given, or gives no `Example` of uint8 pixels.
    """
    pixels = np.zeros((240, 320, 3), np.uint8)
    box, classes = np.array([[80, 60, 240, 180]], np.float32), np.zeros(1, np.int32)
    for array in (pixels, box, classes):
        array.flags.writeable = False  # as those of a data set
    example = Example(pixels, box, classes)
    size = (224, 224)
    context = {"draw": lambda: example, "size": size, "mode": "stretch"}
    given = {**keywords, **{key: context[key] for key in wanted}}
    rng = np.random.default_rng(0)
    title = TRANSFORMS.title(name)
    try:
        if "probability" in keywords:
            check_number("probability", keywords["probability"], SHARE)
        if "probability" in inspect.signature(part).parameters:
            given["probability"] = 1.0
        for _ in range(TRIALS):
            _check_result(part(example, rng, **given), size)
    except (ArithmeticError, TypeError, ValueError, cv2.error) as error:
        settings = " ".join(f"{key}={value}" for key, value in keywords.items())
        reason = " ".join(str(error).split())[:200]
        raise ZooError(
            f"{title} does not work{f' with {settings}' if settings else ''} ({reason}); its "
            f"keywords are explained in {part.__module__}"
        ) from error
    except Exception as error:  # a stranger's part may raise anything
        if TRANSFORMS.origin(name) == "zoo":
            raise
        raise PartFailed(f"{title} failed: {type(error).__name__}: {error}") from error


def _check_result(after: Any, size: tuple[int, int]) -> None:
    """Raise a `TypeError` if what a transform gives is no `Example`, or shows no bytes."""
    if not isinstance(after, Example):
        raise TypeError(f"gives a {type(after).__name__}, not an Example")
    boxes, classes = np.shape(after.boxes_xyxy), np.shape(after.classes)
    if len(classes) != 1 or boxes != (*classes, 4):
        raise TypeError(f"gives boxes {boxes} and classes {classes}, not (n, 4) and (n,)")
    shown = after.warp(geometry_of(after.size, size, mode="stretch").matrix, size).image
    if shown.dtype != np.uint8 or shown.shape != (*size, 3):
        wanted, remedy = (*size, 3), ", as image.round().astype('uint8') makes them"
        raise TypeError(
            f"shows pixels {shown.dtype} {shown.shape}, not uint8 {wanted}"
            f"{remedy if shown.dtype.kind == 'f' else ''}"
        )
