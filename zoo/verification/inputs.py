"""The one input that a model and its reference both see."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from zoo import building
from zoo.data import geometry as geometries
from zoo.data.geometry import Geometry
from zoo.data.image import read_image
from zoo.errors import ZooError
from zoo.inference import to_detections


@dataclass(frozen=True)
class Input:
    """A picture and what the network gets of it.

    Attributes:
        name: the file, or what was drawn.
        image: uint8 (h, w, 3) RGB, the original.
        network: float32 (height, width, 3) in [0, 1].
        geometry: how the one became the other.
        class_names: of the model, for the drawings.
    """

    name: str
    image: np.ndarray
    network: np.ndarray
    geometry: Geometry
    class_names: Sequence[str]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the network input."""
        height, width = self.network.shape[:2]
        return height, width

    @property
    def window(self) -> np.ndarray:
        """Where the picture lies in the network input, see `Geometry.window`."""
        return self.geometry.window(self.size)

    @property
    def sha256(self) -> str:
        """Of the network input as Darknet has it: float32, channels first."""
        return sha256_of(self.network.transpose(2, 0, 1))


def open_input(
    source: str | os.PathLike[str] | None,
    size: tuple[int, int],
    class_names: Sequence[str],
    *,
    mode: str,
    sha256: str | None = None,
) -> Input:
    """Read a picture and bring it to the network's size by Darknet's own resize.

    Args:
        source: an image file; an `.npz` that holds the input itself, (3, height, width) or with a
            batch of one; None draws shapes.
        size: height and width of the network input.
        class_names: of the model.
        mode: `"stretch"` or `"letterbox"`.
        sha256: of the input that golden data were made from.

    Raises:
        ZooError: the file cannot be read, or gives another input than that.
    """
    if source is not None and str(source).endswith(".npz"):
        return _from_arrays(Path(source), size, class_names, sha256)
    if source is None:
        shapes = {"name": "shapes", "size": list(size)}
        name, image = "drawn shapes", building.build("dataset", shapes, split="val").image(0)
    else:
        name, image = Path(source).name, read_image(str(source))
    network, geometry = geometries.resize(image, size, mode=mode, interpolation="darknet")
    found = Input(name, image, network, geometry, class_names)
    if sha256 is not None and found.sha256 != sha256:
        raise ZooError(
            f"source={source or 'null'}: {name} at {size} is not the input of the golden data (its "
            f"SHA-256 is {found.sha256[:12]}…, theirs {sha256[:12]}…); JPEG decoders differ, so "
            "give the decoded PNG, or the input itself as source=FILE.npz"
        )
    return found


def _from_arrays(
    path: Path, size: tuple[int, int], class_names: Sequence[str], sha256: str | None
) -> Input:
    """The input that an `.npz` has, found by shape and SHA-256."""
    try:
        # NumPy leaves a file open that it opened itself and cannot read.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays: Mapping[str, np.ndarray] = {key: np.squeeze(file[key]) for key in file.files}
    except (OSError, ValueError, BadZipFile) as error:
        raise ZooError(f"source={path} cannot be read: {error}") from error
    for key, array in arrays.items():
        if array.shape == (3, *size) and sha256 in (None, sha256_of(array)):
            network = np.ascontiguousarray(array.transpose(1, 2, 0), np.float32)
            image = np.rint(np.clip(network, 0, 1) * 255).astype(np.uint8)
            return Input(f"{path.name}:{key}", image, network, _identity(size), class_names)
    wanted = f" with SHA-256 {sha256[:12]}…" if sha256 else ""
    raise ZooError(f"source={path} holds no array of shape {(3, *size)}{wanted}")


def _identity(size: tuple[int, int]) -> Geometry:
    return Geometry(1.0, 1.0, 0.0, 0.0, size)


def sha256_of(array: np.ndarray) -> str:
    """Of an array's numbers as float32, little-endian."""
    return hashlib.sha256(np.ascontiguousarray(array, "<f4").tobytes()).hexdigest()


def to_pixels(outputs: dict[str, Any], picture: Input) -> Any:
    """`supervision.Detections` of a windowed predictor's output, in pixels of the original."""
    return to_detections(outputs, 0, picture.geometry.original, picture.class_names)
