"""Checks of ground truth that all sources share: what is a fault, and what becomes of it."""

from __future__ import annotations

import contextlib
import logging
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zoo.data.sample import Labels
from zoo.errors import ZooError, nearest

LOG = logging.getLogger(__name__)
#: A box may stick out of its image by this much, pixels: tools round, and count from 0 or from 1.
OVERHANG = 1.0
#: Overhang that decimal fractions in text files explain, pixels; clipped without a word.
ROUNDING = 0.01


class _Stated(ZooError):
    """A fault of the data whose message is complete."""


@dataclass
class Annotation:
    """One object as its file describes it, unchecked.

    Attributes:
        box: xyxy, pixels of the original image.
        category: what the file calls the class: a name, an id, an index.
        where: which object of the file, e.g. `"object 3"`.
        crowd: see `Labels`.
        area: pixels², or None for the area of the box.
    """

    box: Sequence[float]
    category: Any
    where: str
    crowd: bool = False
    area: float | None = None


@dataclass
class Lint:
    """Turns annotations into labels; raises at a fault or leaves it out, counted and listed.

    Args:
        what: the data set, for messages.
        on_error: `"error"` raises at the first fault; `"skip"` leaves faulty boxes and images out.

    Attributes:
        passed_over: files and folders that no image is taken from though they look like it, each
            with the reason.
    """

    what: str
    on_error: str
    faults: list[str] = field(default_factory=list)
    clipped: list[str] = field(default_factory=list)
    specks: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.on_error not in ("error", "skip"):
            known = nearest(self.on_error, ("error", "skip"))
            raise ZooError(f"data.on_error={self.on_error} is not known; {known}")

    def fault(self, message: str) -> None:
        """Raise a `ZooError`, or note that something is left out."""
        if self.on_error == "error":
            raise _Stated(f"{message} (data.on_error=skip leaves faulty boxes and images out)")
        self.faults.append(message)

    @contextlib.contextmanager
    def tolerate(self) -> Iterator[None]:
        """A `ZooError` inside is a fault of the data; the rest of the block is not run."""
        try:
            yield
        except _Stated:  # from a block inside this one
            raise
        except ZooError as error:
            self.fault(str(error))

    def labels(
        self,
        where: str,
        size: tuple[int, int],
        annotations: Sequence[Annotation],
        classes: Mapping[Any, int],
    ) -> Labels:
        """The sound annotations of one image, clipped to it.

        Args:
            where: the annotation file, for messages.
            size: height and width of the image, pixels.
            annotations: the objects of the image.
            classes: what the file calls a class → its index.
        """
        height, width = size
        sound = [a for a in annotations if self._sound(where, size, a, classes)]
        return Labels.of(
            [(max(0, x0), max(0, y0), min(width, x1), min(height, y1)) for x0, y0, x1, y1 in
             (a.box for a in sound)],
            [classes[a.category] for a in sound],
            [a.crowd for a in sound],
            [a.area for a in sound],
        )  # fmt: skip

    def _sound(
        self, where: str, size: tuple[int, int], a: Annotation, classes: Mapping[Any, int]
    ) -> bool:
        where = f"{where}: {a.where}"
        if a.category not in classes:
            known = nearest(str(a.category), map(str, classes))
            self.fault(f"{where} is of the unknown class {a.category!r}; {known}")
            return False
        if problem := box_problem(a.box, size):
            self.fault(f"{where}: box ({', '.join(f'{v:g}' for v in a.box)}) xyxy {problem}")
            return False
        if overhang(a.box, size) > ROUNDING:
            self.clipped.append(where)
        if min(a.box[2] - a.box[0], a.box[3] - a.box[1]) <= 1:
            self.specks.append(where)
        return True

    def report(self) -> None:
        """Say in the log what was clipped, looks odd, was passed over or left out."""
        if self.clipped:
            LOG.warning(
                "%s: %d boxes stuck out of their image by at most %g pixel and were clipped; "
                "the first is %s", self.what, len(self.clipped), OVERHANG, self.clipped[0],
            )  # fmt: skip
        if self.specks:
            LOG.warning(
                "%s: %d boxes are at most one pixel wide or high and were kept; the first is %s",
                self.what, len(self.specks), self.specks[0],
            )  # fmt: skip
        if self.passed_over:
            LOG.warning(
                "%s: %d files or folders were passed over; the first is %s",
                self.what, len(self.passed_over), self.passed_over[0],
            )  # fmt: skip
        if self.faults:
            listing = "".join(f"\n  {fault}" for fault in self.faults)
            LOG.warning("%s: %d faults left out:%s", self.what, len(self.faults), listing)


def names_of_lines(text: str, where: str) -> list[str]:
    """Class names from a file that has one a line, as Darknet's `.names`.

    To Darknet an empty line is a class without a name, so that leaving it out would shift those
    after it; empty lines at the end are left out.

    Args:
        text: of the file.
        where: the file, for messages.

    Raises:
        ZooError: a line before the last name is empty.
    """
    names = [line.strip() for line in text.rstrip().splitlines()]
    if "" in names:
        line = names.index("") + 1
        raise ZooError(
            f"{where}: line {line} is empty, which would be class {line - 1}; name it, or remove "
            "the line if there is no such class"
        )
    return names


def checked_names(names: Any, what: str) -> list[str]:
    """Class names as a list; results, and weights of other models, go by name.

    Args:
        names: as files or a config give them.
        what: the data set, for messages.

    Raises:
        ZooError: they are no list of texts, one is empty, or two are the same.
    """
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise ZooError(f"{what}: data.class_names={names} is no list such as [cat, dog]")
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            raise ZooError(f"{what}: class {index} is called {name!r}; give it a name, in quotes")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ZooError(f"{what}: several classes are called {twice[0]!r}; rename all but one")
    return list(names)


def overhang(box: Sequence[float], size: tuple[int, int]) -> float:
    """How far an xyxy box sticks out of an image of this height and width, pixels."""
    x0, y0, x1, y1 = box
    height, width = size
    return max(-x0, -y0, x1 - width, y1 - height)


def box_problem(box: Sequence[float], size: tuple[int, int]) -> str | None:
    """What is wrong with an xyxy box in an image of this height and width, or None."""
    if not all(map(math.isfinite, box)):
        return "is not finite"
    x0, y0, x1, y1 = box
    if x1 <= x0 or y1 <= y0:
        return "has no area"
    height, width = size
    excess = overhang(box, size)
    if min(x1, width) <= max(x0, 0) or min(y1, height) <= max(y0, 0):
        return f"lies outside its image of {width}×{height}"
    if excess > OVERHANG:
        return f"sticks out of its image of {width}×{height} by {excess:.3g} pixels"
    return None
