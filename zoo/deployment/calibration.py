"""Pictures from which the ranges of integers are taken."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.image import image_size
from zoo.errors import ZooError
from zoo.format.contract import CALIBRATED
from zoo.inference import pictures, prepared
from zoo.ranges import check_whole

#: Pictures that are taken unless somebody says otherwise: more change the ranges little.
PICTURES = 200


def checked(calibration: Mapping[str, Any] | None, precision: str) -> dict[str, Any]:
    """`source` and `pictures` of a calibration, empty for a precision that needs none.

    Args:
        calibration: as of `zoo.deployment.exporting.export`.
        precision: of the export.

    Raises:
        ZooError: int8 has no pictures, or no number of them, or another precision has some.
    """
    given = {"source": None, "pictures": PICTURES, **(calibration or {})}
    if precision not in CALIBRATED:
        if given["source"] is not None:
            raise ZooError(f"calibration.source is for precision=int8, not {precision}")
        return {}
    if given["source"] is None:
        raise ZooError(
            f"precision={precision} takes the ranges of its integers from pictures: "
            "calibration.source=FOLDER, of pictures like those to come, not those it is tested on"
        )
    check_whole("calibration.pictures", given["pictures"], least=1)
    return given


class Calibration:
    """Inputs of a network, prepared as detection prepares them, one batch at a time.

    Args:
        source: as of `zoo.inference.detect`.
        limit: pictures that are taken, the first in the order of `zoo.inference.pictures`, which is
            that of their names within a folder.
        size: height and width of the network input.
        resize: `"stretch"`, or `"letterbox"`, with which `window` is an input too.
        batch_size: pictures in a batch; the last is filled up with its last picture.

    Raises:
        ZooError: no picture is there, or one is none by its header: said before minutes of work.
    """

    def __init__(
        self, source: Any, *, limit: int, size: tuple[int, int], resize: str, batch_size: int
    ):
        self.pictures = pictures(source)[:limit]
        for _, picture in self.pictures:
            if not isinstance(picture, np.ndarray):
                image_size(picture)
        self.size = size
        self.resize = resize
        self.batch_size = batch_size

    def __len__(self) -> int:
        """Batches."""
        return -(-len(self.pictures) // self.batch_size)

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        """Named inputs: `images`, float32 (batch, height, width, 3), and `window` (batch, 4)."""
        for start in range(0, len(self.pictures), self.batch_size):
            yield self._batch(self.pictures[start : start + self.batch_size])

    def _batch(self, found: Sequence[tuple[str, Path | np.ndarray]]) -> dict[str, np.ndarray]:
        found = [*found, *[found[-1]] * (self.batch_size - len(found))]
        inputs = [prepared(picture, self.size, self.resize) for _, picture in found]
        batch = {"images": np.stack([image for image, _ in inputs])}
        if self.resize == "letterbox":
            batch["window"] = np.stack([geometry.window(self.size) for _, geometry in inputs])
        return batch

    def facts(self) -> dict[str, Any]:
        """Number of pictures, and the SHA-256 of names and contents: which they were."""
        digest = hashlib.sha256()
        for name, picture in self.pictures:
            content = picture.tobytes() if isinstance(picture, np.ndarray) else picture.read_bytes()
            digest.update(f"{Path(name).name}\0{len(content)}\0".encode() + content)
        return {"pictures": len(self.pictures), "sha256": digest.hexdigest()}
