"""`supervision.Detections` that import supervision only when somebody uses more than their arrays.

That import takes half a second and a hundred megabytes, more than an exported model needs for
everything else together, and many a server reads the boxes and nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import supervision as sv


def detections(
    xyxy: np.ndarray, confidence: np.ndarray, class_id: np.ndarray, class_name: np.ndarray
) -> sv.Detections:
    """The detections of one picture.

    Args:
        xyxy: float32 (n, 4), pixels.
        confidence: float32 (n,).
        class_id: int (n,).
        class_name: str (n,).

    Returns:
        A `supervision.Detections`, or, while nobody has imported supervision, an object with its
        fields and its length that becomes one at the first use of anything else: a method, an
        index, a loop, `==`. `isinstance` with that class holds all the while.
    """
    found: Any = Arrays(xyxy, confidence, class_id, class_name)
    if "supervision" in sys.modules:
        _become(found)
    return found


class Arrays:
    """The fields of `supervision.Detections`, under the same names, without the class."""

    def __init__(
        self, xyxy: np.ndarray, confidence: np.ndarray, class_id: np.ndarray, class_name: np.ndarray
    ):
        self.xyxy = xyxy
        self.mask = None
        self.confidence = confidence
        self.class_id = class_id
        self.tracker_id = None
        self.data = {"class_name": class_name}
        self.metadata: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self.xyxy)

    # `isinstance` asks the object for its class too, and does not see one that changes meanwhile.
    # Only who has imported supervision can ask for its class.
    @property  # type: ignore[misc]  # nobody writes it
    def __class__(self) -> Any:
        """For `isinstance`: the class of supervision where it is imported."""
        supervision = sys.modules.get("supervision")
        return supervision.Detections if supervision else Arrays

    def __getattr__(self, name: str) -> Any:
        _become(self)
        return getattr(self, name)

    # Python looks these up in the class, past `__getattr__`.

    def __getitem__(self, index: Any) -> Any:
        _become(self)
        return self[index]

    def __setitem__(self, key: str, value: Any) -> None:
        _become(self)
        self[key] = value

    def __iter__(self) -> Iterator[Any]:
        _become(self)
        return iter(self)

    def __eq__(self, other: object) -> bool:
        _become(self)
        return self == other

    __hash__ = None  # type: ignore[assignment]  # as of the class that it stands for

    def __repr__(self) -> str:
        _become(self)
        return repr(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        _become(self)
        return self.__reduce_ex__(protocol)


def _become(arrays: Any) -> None:
    """Make it an object of supervision's class, which has the same attributes."""
    import supervision as sv

    if type(arrays) is Arrays:
        object.__dict__["__class__"].__set__(arrays, sv.Detections)
        arrays.__post_init__()
