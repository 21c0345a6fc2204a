"""Detectors in files that run without Keras."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import ZooError
from zoo.format.contract import Run
from zoo.registry import FORMATS

if TYPE_CHECKING:
    import supervision

#: The window of an image that was stretched.
EVERYWHERE = np.array([0, 0, 1, 1], np.float32)


class ExportedDetector:
    """An exported model with the `detect` of `zoo.detector.Detector`; it imports no Keras.

    Args:
        metadata: what `zoo.deployment.exporting.describe` wrote.
        run: named arrays → named arrays.
        where: the file, for messages.
    """

    def __init__(self, metadata: Mapping[str, Any], run: Run, where: Path):
        self.metadata = dict(metadata)
        self.name = str(metadata["name"])
        self.class_names: list[str] = list(metadata["class_names"])
        self.image_size: tuple[int, int] = tuple(metadata["image_size"])
        self.resize = str(metadata["resize"])
        self.batch_size = int(metadata["batch_size"])
        self.run = run
        self.where = where

    @property
    def sha256(self) -> str:
        """Of the file; of OpenVINO's `.xml` and `.bin`; of a directory's files, sorted."""
        digest = hashlib.sha256()
        if self.where.is_dir():
            files = sorted(file for file in self.where.rglob("*") if file.is_file())
        else:
            weights = self.where.with_suffix(".bin") if self.where.suffix == ".xml" else None
            files = [self.where, *([weights] if weights else [])]
        for file in files:
            digest.update(file.read_bytes())
        return digest.hexdigest()

    def check_size(self, size: Any) -> tuple[int, int]:
        """The size of the file.

        Raises:
            ZooError: another size is asked for.
        """
        sides = tuple(size) if isinstance(size, Iterable) else (size, size)
        if sides != self.image_size:
            raise ZooError(
                f"{self.where} is for image_size={list(self.image_size)}; "
                f"for {size} export it again"
            )
        return self.image_size

    def nms(self, **limits: Any) -> dict[str, Any]:
        """The config of the NMS inside; a higher `score_threshold` may be asked for.

        Raises:
            ZooError: there is none, or a limit is not that of the file.
        """
        inside = self.metadata["nms"]
        if inside is None:
            raise ZooError(f"{self.where} was exported without NMS; export it with suppress=true")
        wrong = []
        for key, value in limits.items():
            if key == "score_threshold" and value < inside[key]:
                wrong.append(f"finds nothing below {key}={inside[key]}")
            elif key != "score_threshold" and value != inside.get(key):
                wrong.append(f"has {key}={inside.get(key)} inside")
        if wrong:
            asked = " ".join(f"{key}={value}" for key, value in limits.items())
            raise ZooError(f"{self.where} {' and '.join(wrong)}; for {asked} export it again")
        return {**inside, **limits}

    def predictor(self, *, windowed: bool = True, **limits: Any) -> Predictor:
        """Images (and windows) → detections, as `zoo.detector.Detector.predictor`.

        Raises:
            ZooError: a limit is not that of the file; a higher `score_threshold` may be.
        """
        return Predictor(self, self.nms(**limits)["score_threshold"])

    def detect(self, source: Any, **options: Any) -> list[supervision.Detections]:
        """As `zoo.detector.Detector.detect`."""
        from zoo.inference import detect_all

        return detect_all(self, source, options)


class Predictor:
    """What `zoo.inference.detect` calls; fixed batches, filled up and cut.

    Args:
        detector: whose file runs.
        threshold: rows that score less or the same are not counted.
    """

    def __init__(self, detector: ExportedDetector, threshold: float):
        self.detector = detector
        self.threshold = threshold

    def predict_on_batch(self, inputs: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """`[images, windows]` of any number → as `zoo.nms.candidates.detections`.

        Raises:
            ZooError: the images are letterboxed, and the file is for stretched ones.
        """
        size = self.detector.batch_size
        pieces = [
            self._run(*(part[start : start + size] for part in inputs))
            for start in range(0, len(inputs[0]), size)
        ]
        if len(pieces) == 1:
            return pieces[0]
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}

    def _run(self, images: np.ndarray, windows: np.ndarray) -> dict[str, np.ndarray]:
        detector, number = self.detector, len(images)
        missing = detector.batch_size - number
        if missing:
            images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), "float32")])
            windows = np.concatenate([windows, np.tile(EVERYWHERE, (missing, 1))])
        named = {"images": images}
        if detector.resize == "letterbox":
            named["window"] = windows
        elif (windows != EVERYWHERE).any():
            raise ZooError(f"{detector.where} is for resize=stretch; export it for letterbox")
        found = {name: values[:number] for name, values in detector.run(named).items()}
        # Suppression goes from high scores to low ones: what scores less changed nothing above it.
        above = (np.asarray(found["scores"]) > self.threshold).sum(axis=1)
        return {**found, "count": np.minimum(found["count"], above)}


def load_exported(path: Path, format: str) -> ExportedDetector:
    """The detector of an exported file.

    Raises:
        ZooError: there is no such file, it is not ours, it is damaged, or its engine is not
            installed.
    """
    if not path.exists():
        raise ZooError(f"no file {path}")
    try:
        metadata, run = FORMATS[format]().open(path)
    except ZooError:
        raise
    except Exception as error:  # every engine has kinds of its own for a damaged file
        # OpenVINO says in the lines before where in its source it stands.
        reason = str(error).strip().rpartition("\n")[2] or type(error).__name__
        raise ZooError(f"{path} cannot be read: {reason}; export it again") from error
    return ExportedDetector(metadata, run, path)
