"""Detections of a whole data source, kept as numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np


class Found(Sequence):
    """Rows of COCO's results format, of which only those that are asked for are dictionaries.

    Kept are 56 bytes a detection, where a dictionary takes 450.
    """

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = [np.empty((0, 7))]

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Found:
        """Detections that are dictionaries in COCO's results format."""
        found = cls()
        keys = "image_id", "score", "category_id"
        for row in rows:
            image, score, category = (row[key] for key in keys)
            found._parts.append(np.array([[image, *row["bbox"], score, category]], float))
        return found

    def add(self, image: int, xyxy: np.ndarray, scores: np.ndarray, categories: np.ndarray) -> None:
        """Append the detections of one image.

        Args:
            image: its id.
            xyxy: (n, 4), pixels.
            scores: (n,).
            categories: (n,), COCO's category ids.
        """
        images, corners = np.full(len(scores), image), xyxy[:, :2]
        sides = xyxy[:, 2:] - corners
        rows = np.column_stack([images, corners, sides, scores, categories])
        self._parts.append(rows.astype(np.float64))

    @property
    def array(self) -> np.ndarray:
        """Float64 (n, 7): image id, left, top, width, height, score, category id."""
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0]

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (_row(values.tolist()) for values in self.array)

    def __getitem__(self, index: Any) -> Any:
        """One row, or the list of those in a slice or where a mask is true."""
        if isinstance(index, slice | np.ndarray):
            return [_row(values) for values in self.array[index].tolist()]
        return _row(self.array[index].tolist())


def _row(values: list[float]) -> dict[str, Any]:
    image, *box, score, category = values
    return {"image_id": int(image), "category_id": int(category), "bbox": box, "score": score}
