"""Golden files: what Darknet computed once for a known input, written down."""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import supervision as sv

from zoo.darknet.plan import Plan
from zoo.errors import ZooError
from zoo.verification.inputs import Input
from zoo.verification.reference import Difference, Tolerances, difference

#: Of weights that somebody trained: activations are small, and errors with them.
REAL = Tolerances(layer=2e-5, logit=2e-4, box=1e-5, score=1e-4)
#: Of synthetic weights of deep networks.
SYNTHETIC = Tolerances(layer=1e-4, logit=2e-4, box=1e-4, score=1e-4)
#: Below this score detections are too many for their order to be told by float32.
LEAST_THRESHOLD = 0.005


class Golden:
    """Reference: an `.npz` file of one forward pass.

    `layer_type` and `layer_shape` (layers, 3: channels, height, width) say what network it was;
    `layer_first8` and `layer_mid8` (layers, 8), the values from flat index 0 and size // 2 of each
    output, channels first, and `layer_stats` (layers, 5), its mean, standard deviation, L2 norm,
    minimum and maximum, are what is known of most layers. Of the k-th [yolo], `head{k}_in`
    (channels, h, w) is its whole input and `head{k}_boxes` (h, w, anchors, 4) its boxes, cxcywh
    relative to the network input. `dets_{nms}_{threshold}` holds rows of class, score, objectness,
    cx, cy, w, h relative to the picture, `meta_json` the rest.

    Args:
        path: the file.

    Raises:
        ZooError: it cannot be read or has no layers.
    """

    def __init__(self, path: str | os.PathLike[str]):
        path = Path(path)
        try:
            content = path.read_bytes()
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                self._arrays = {key: file[key] for key in file.files}
            self.meta: dict[str, Any] = json.loads(str(self._arrays["meta_json"]))
            types = [str(name) for name in self._arrays["layer_type"]]
            _, height, width = (int(side) for side in self._arrays["input_shape_chw"])
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise ZooError(f"reference={path} is no golden file: {error}") from error
        self.name = f"Darknet, golden file {path.name}"
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.size = (height, width)
        self.tolerances = SYNTHETIC if "weights_sha256" in self.meta else REAL
        self.thresholds: tuple[float, ...] = ()
        self._types = types
        self._heads = [index for index, name in enumerate(types) if name == "yolo"]

    def attach(self, plan: Plan, nms: str, picture: Input) -> None:
        """Tell it which network, which suppression and which picture it is asked about.

        Raises:
            ZooError: it is of another network (the first difference is named), or has no detections
            by that suppression.
        """
        shapes = [(int(h), int(w), int(c)) for c, h, w in self._arrays["layer_shape"]]
        theirs = list(zip(self._types, shapes, strict=True))
        ours = [(layer.section.kind, tuple(layer.output)) for layer in plan.layers]
        for layer, known, found in zip(plan.layers, theirs, ours, strict=False):
            if known != found:
                raise layer.section.error(
                    f"the golden file is of another network: it has {known[0]} {known[1]} here, "
                    f"not {found[0]} {found[1]}"
                )
        if len(ours) != len(theirs):
            raise ZooError(
                f"the golden file has {len(theirs)} layers, {plan.cfg.source} has {len(ours)}"
            )
        self._picture = picture
        start = f"dets_{nms}_"
        known_at = [key.removeprefix(start) for key in self._arrays if key.startswith(start)]
        self._rows = {float(text): self._arrays[f"{start}{text}"] for text in known_at}
        self.thresholds = tuple(
            sorted((t for t in self._rows if t >= LEAST_THRESHOLD), reverse=True)
        )
        if not self.thresholds:
            raise ZooError(f"{self.name} has no detections by {nms!r}, the model's NMS")

    def difference(self, index: int, ours: np.ndarray) -> Difference | None:
        """See `Reference`; of a layer of which samples are known, a bound from below.

        Mean, standard deviation, L2 norm over √size, minimum and maximum of two arrays differ by
        no more than their largest element does, so all of them are measures of it.
        """
        chw = ours.transpose(2, 0, 1)
        head = f"head{self._heads.index(index + 1)}_in" if index + 1 in self._heads else ""
        if head in self._arrays:
            return difference(chw, self._arrays[head])
        flat = chw.reshape(-1)
        middle = flat.size // 2
        found = np.concatenate([flat[:8], flat[middle : middle + 8]])
        first, mid = self._arrays["layer_first8"][index], self._arrays["layer_mid8"][index]
        samples = difference(found, np.concatenate([first[: flat.size], mid])[: found.size])
        theirs = self._arrays["layer_stats"][index]
        unit = np.array([1, 1, 1 / np.sqrt(flat.size), 1, 1])
        statistics = difference(_statistics(flat) * unit, theirs * unit)
        return Difference(
            max(samples.absolute, statistics.absolute), float(np.abs(theirs[3:]).max())
        )

    def boxes(self, head: int) -> tuple[np.ndarray, np.ndarray | None]:
        """See `Reference`; of scores it knows only those of the detections."""
        return self._arrays[f"head{head}_boxes"].reshape(-1, 4), None

    def detections(self, threshold: float) -> sv.Detections:
        """See `Reference`."""
        rows = self._rows[threshold]
        rows = rows[np.argsort(-rows[:, 1], kind="stable")]
        height, width = self._picture.geometry.original
        half = rows[:, 5:7] / 2
        xyxy = np.concatenate([rows[:, 3:5] - half, rows[:, 3:5] + half], axis=1)
        classes = rows[:, 0].astype(int)
        names = [self._picture.class_names[label] for label in classes]
        return sv.Detections(
            xyxy=(xyxy * [width, height, width, height]).astype(np.float32),
            confidence=rows[:, 1],
            class_id=classes,
            data={"class_name": np.array(names, dtype=str)},
        )


def _statistics(flat: np.ndarray) -> np.ndarray:
    values = flat.astype(np.float64)
    norm = np.sqrt(np.square(values).sum())
    return np.array([values.mean(), values.std(), norm, values.min(), values.max()])
