"""What a reference says about one forward pass, whoever it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

#: Verdicts on a row.
AGREES, DIFFERS, UNKNOWN = "agrees", "differs", "not compared"


@dataclass(frozen=True)
class Tolerances:
    """How far a float32 implementation may be from its reference.

    Attributes:
        layer: of a layer's output, relative to its largest magnitude.
        logit: of what a [yolo] takes, absolute.
        box: of a box's sides, relative to the network input, or to the box if that is larger.
        score: of a class score.
    """

    layer: float
    logit: float
    box: float
    score: float


@dataclass(frozen=True)
class Difference:
    """Ours against the reference's.

    Attributes:
        absolute: the largest difference of two numbers.
        scale: the reference's largest magnitude.
    """

    absolute: float
    scale: float

    @property
    def relative(self) -> float:
        """The largest difference as a share of the largest magnitude."""
        if self.absolute == 0:
            return 0.0
        return self.absolute / self.scale if self.scale else float("inf")


class Reference(Protocol):
    """Another implementation's forward pass of the same input.

    Attributes:
        name: what it is, with its version.
        tolerances: what is asked of an implementation that is compared with it.
        thresholds: scores above which its detections are known.
    """

    name: str
    tolerances: Tolerances
    thresholds: tuple[float, ...]

    def difference(self, index: int, ours: np.ndarray) -> Difference | None:
        """Of the output of a Darknet layer, ours (height, width, channels); None: not known."""
        ...

    def boxes(self, head: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Of a [yolo], by number: cxcywh (n, 4) relative to the input; scores (n, classes)."""
        ...

    def detections(self, threshold: float) -> Any:
        """`supervision.Detections` in pixels of the original, falling in score."""
        ...


def difference(ours: np.ndarray, theirs: np.ndarray) -> Difference:
    """Of two arrays of one shape. NaN and infinity differ from everything but infinity itself."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(np.asarray(ours, np.float64) - theirs)
    apart[np.isnan(apart)] = np.inf
    apart[np.equal(ours, theirs)] = 0
    return Difference(float(apart.max(initial=0)), float(np.abs(theirs).max(initial=0)))
