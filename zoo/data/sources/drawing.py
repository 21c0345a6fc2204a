"""Arranging and painting the pictures of `shapes`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

Rng = np.random.Generator
Contours = list[np.ndarray]  # float (n, 2) xy each; inside by the even-odd rule, in a unit circle

#: Shorter side of an image at which the sizes below are meant, pixels.
NOMINAL = 128
SMALLEST, LARGEST = 14, 64
MOST_OBJECTS = 6
NO_OBJECT = 0.06  # of the images
#: A new shape may cover others only as far as this much of each stays in sight.
VISIBLE = 0.45


# === Outlines ===


def _regular(corners: int, radius: float | tuple[float, ...] = 1.0) -> np.ndarray:
    """Corners on a circle, or on several in turn, the first at the top."""
    angles = np.arange(corners) * (2 * math.pi / corners) - math.pi / 2
    radii = np.resize(radius, corners)[:, None]
    return radii * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _plus(arm: float = 0.34) -> np.ndarray:
    quarter = np.array([[arm, -1], [arm, -arm], [1, -arm]])
    turn = np.array([[0, 1], [-1, 0]])
    return np.concatenate([quarter @ np.linalg.matrix_power(turn, k) for k in range(4)])


OUTLINES: dict[str, Contours] = {
    "circle": [_regular(32)],
    "square": [np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])],
    "triangle": [_regular(3)],
    "star": [_regular(10, (1.0, 0.42))],
    "ring": [_regular(32), _regular(32, 0.55)],
    "cross": [_plus()],
}


# === Where things are ===


@dataclass(frozen=True)
class Scene:
    """What is in a picture, before it has colours.

    Attributes:
        owner: int8 (height, width), which shape a pixel shows, −1 for the background.
        boxes: int (n, 4) xyxy, pixels; tight around each shape inside the picture.
        classes: the class of each shape.
    """

    owner: np.ndarray
    boxes: list[tuple[int, int, int, int]]
    classes: list[int]


def arrange(size: tuple[int, int], rng: Rng) -> Scene:
    """Choose shapes and places; later shapes lie over earlier ones."""
    scene = Scene(np.full(size, -1, np.int8), [], [])
    areas: list[int] = []
    wanted = 0 if rng.random() < NO_OBJECT else rng.integers(1, MOST_OBJECTS + 1)
    for _ in range(wanted):
        category = int(rng.integers(len(OUTLINES)))
        mask = _stamp(list(OUTLINES.values())[category], size, rng)
        if _fits(mask, scene.owner, areas):
            x, y, width, height = cv2.boundingRect(mask)
            scene.owner[mask > 0] = len(areas)
            areas.append(cv2.countNonZero(mask))
            scene.boxes.append((x, y, x + width, y + height))
            scene.classes.append(category)
    return scene


def _stamp(contours: Contours, size: tuple[int, int], rng: Rng) -> np.ndarray:
    """One shape of random size, proportions, rotation and place as a mask, uint8 0 or 1."""
    unit = min(size) / NOMINAL
    side = unit * SMALLEST * (LARGEST / SMALLEST) ** rng.random()
    stretch = rng.uniform(0.8, 1.25) ** 0.5
    angle = rng.uniform(0, 2 * math.pi)
    cos, sin = math.cos(angle), math.sin(angle)
    rotate = np.array([[cos, sin], [-sin, cos]])
    outer = contours[0] * (stretch, 1 / stretch) @ rotate
    scale = side / np.ptp(outer, axis=0).max()
    # Up to a sixth of the side may be cut off by the edge of the picture.
    centre = [rng.uniform(side / 3, extent - side / 3) for extent in (size[1], size[0])]
    points = [
        np.rint(contour * (stretch, 1 / stretch) @ rotate * scale + centre).astype(np.int32)
        for contour in contours
    ]
    return cv2.fillPoly(np.zeros(size, np.uint8), points, 1)


def _fits(mask: np.ndarray, owner: np.ndarray, areas: list[int]) -> bool:
    """Whether enough of every shape would still be seen."""
    under = owner[mask > 0]
    return all(
        np.count_nonzero(owner == shape) - np.count_nonzero(under == shape) >= VISIBLE * area
        for shape, area in enumerate(areas)
    )


# === What things look like ===


def paint(scene: Scene, rng: Rng) -> np.ndarray:
    """The picture of a scene, uint8 (height, width, 3)."""
    image = _background(scene.owner.shape, rng)
    _distract(image, rng)
    for shape, (x0, y0, x1, y1) in enumerate(scene.boxes):
        window, mask = image[y0:y1, x0:x1], scene.owner[y0:y1, x0:x1] == shape
        window[mask] = colour = _contrasting(window.mean((0, 1)), rng)
        if rng.random() < 0.4:
            window[mask & _stripes(mask.shape, rng)] = colour * rng.uniform(0.65, 0.9)
    return _noisy(image, rng)


def _background(size: tuple[int, ...], rng: Rng) -> np.ndarray:
    """A gradient, clouds or a checkerboard, in two colours that are not far apart."""
    first = rng.uniform(30, 225, 3)
    second = np.clip(first + rng.uniform(-50, 50, 3), 0, 255)
    pattern = _PATTERNS[int(rng.integers(len(_PATTERNS)))](size, rng)
    palette = np.linspace(first, second, 256).astype(np.uint8)[None]
    return cv2.LUT(cv2.cvtColor((pattern * 255).astype(np.uint8), cv2.COLOR_GRAY2RGB), palette)


def _gradient(size: tuple[int, ...], rng: Rng) -> np.ndarray:
    corners = rng.random((2, 2), np.float32)
    return cv2.resize(corners, size[::-1], interpolation=cv2.INTER_LINEAR)


def _clouds(size: tuple[int, ...], rng: Rng) -> np.ndarray:
    coarse = rng.random((int(rng.integers(4, 12)),) * 2, np.float32)
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_LINEAR)


def _checkerboard(size: tuple[int, ...], rng: Rng) -> np.ndarray:
    cell = int(rng.integers(8, 24)) * min(size) // NOMINAL + 1
    rows, columns = np.ogrid[: size[0], : size[1]]
    return ((rows // cell + columns // cell) % 2).astype(np.float32)


_PATTERNS: tuple[Callable[[tuple[int, ...], Rng], np.ndarray], ...] = (
    _gradient, _clouds, _checkerboard,
)  # fmt: skip


def _distract(image: np.ndarray, rng: Rng) -> None:
    """Lines that are no objects."""
    height, width = image.shape[:2]
    for _ in range(rng.integers(0, 4)):
        x0, x1 = rng.integers(0, width, 2).tolist()
        y0, y1 = rng.integers(0, height, 2).tolist()
        cv2.line(image, (x0, y0), (x1, y1), rng.integers(0, 256, 3).tolist(), 1 + height // 160)


def _contrasting(background: np.ndarray, rng: Rng) -> np.ndarray:
    """Of a few random colours the one that differs most from what surrounds it."""
    colours = rng.uniform(0, 255, (3, 3))
    return colours[np.abs(colours - background).sum(1).argmax()]


def _stripes(size: tuple[int, ...], rng: Rng) -> np.ndarray:
    period = int(rng.integers(4, 9))
    down, across = rng.integers(-1, 2, 2).tolist()
    rows, columns = np.ogrid[: size[0], : size[1]]
    return (down * rows + across * columns) % period < period // 2


def _noisy(image: np.ndarray, rng: Rng) -> np.ndarray:
    """Uniform noise of 0 to 7, 15 or 31 levels, centred."""
    levels = 8 << int(rng.integers(3))
    bits = np.frombuffer(rng.bytes(image.size), np.uint8).reshape(image.shape)
    noise = bits & (levels - 1)
    return cv2.subtract(cv2.add(image, noise), np.full_like(image, levels // 2))
