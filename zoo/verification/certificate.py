"""The certificate: what was compared, with what, how closely, and the verdict."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np

import zoo
from zoo.files import file_sha256
from zoo.verification.detections import DetectionRow
from zoo.verification.layers import Row
from zoo.verification.reference import DIFFERS, UNKNOWN

SCHEMA_VERSION = 1
#: How far AP of ours may be from AP of the reference on the same images.
AP_TOLERANCE = 0.002


@dataclass
class Certificate:
    """All that was found out; `document` is its machine-readable form.

    Attributes:
        model: name, preset, image_size, convolutions and what else identifies it.
        cfg: file and SHA-256.
        weights: file, SHA-256 and bytes.
        reference: name, and file and SHA-256 of golden data.
        source: of the input: name, SHA-256, size, resize.
        tolerances: of the reference.
        layers: one row a Darknet layer.
        detections: one row a score threshold.
        ap: COCO numbers of `ours` and of the `reference`, and how many `images`; None without data.
    """

    model: dict[str, Any]
    cfg: dict[str, Any]
    weights: dict[str, Any]
    reference: dict[str, Any]
    source: dict[str, Any]
    tolerances: dict[str, float]
    layers: list[Row]
    detections: list[DetectionRow]
    ap: dict[str, Any] | None = None
    versions: dict[str, str] = field(default_factory=lambda: versions())

    @property
    def first_divergence(self) -> Row | None:
        """The first layer that differs, in Darknet's order."""
        return next((row for row in self.layers if row.verdict == DIFFERS), None)

    @property
    def compared(self) -> int:
        """How many layers were compared."""
        return sum(row.verdict != UNKNOWN for row in self.layers)

    def worst(self, count: int) -> list[Row]:
        """The layers whose errors are the largest shares of their tolerances, the largest first."""
        known = [row for row in self.layers if row.error is not None]
        return sorted(known, key=lambda row: -(row.error or 0) / row.tolerance)[:count]

    @property
    def agrees(self) -> bool:
        """Whether everything that was compared is within its tolerance."""
        verdicts = [row.verdict for row in self.layers]
        verdicts += [row.verdict for row in self.detections]
        return DIFFERS not in verdicts and self.ap_agrees

    @property
    def ap_agrees(self) -> bool:
        """Whether AP and AP50 of both are within `AP_TOLERANCE`; true without data."""
        if self.ap is None:
            return True
        ours, theirs = self.ap["ours"], self.ap["reference"]
        return all(abs(ours[key] - theirs[key]) <= AP_TOLERANCE for key in ("AP", "AP50"))

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        name, reference = self.model["name"], self.reference["name"]
        if self.agrees:
            return (
                f"{name} agrees with {reference}: {self.compared} of {len(self.layers)} layers, "
                "boxes and detections are within their tolerances."
            )
        row = self.first_divergence
        if row is not None:
            where = f"layer {row.index} ({row.type}, {row.layer!r} of the model)"
            return f"{name} does not agree with {reference}: {where} is the first to diverge."
        what = "AP differs" if self.ap_agrees is False else "detections differ"
        return f"{name} does not agree with {reference}: its layers do, but {what}."

    def document(self) -> dict[str, Any]:
        """As `certificate.json` has it: plain values; a number that is not finite is null."""
        first = self.first_divergence
        return _plain(
            {
                "schema_version": SCHEMA_VERSION,
                "verdict": {
                    "agrees": self.agrees,
                    "sentence": self.sentence,
                    "first_divergence": None if first is None else first.index,
                },
                "model": self.model,
                "cfg": self.cfg,
                "weights": self.weights,
                "reference": self.reference,
                "input": self.source,
                "backend": keras.backend.backend(),
                "versions": self.versions,
                "tolerances": {**self.tolerances, "ap": AP_TOLERANCE},
                "totals": {
                    "layers": len(self.layers),
                    "parameters": sum(row.parameters for row in self.layers),
                    "flops": sum(row.flops for row in self.layers),
                },
                "layers": [dataclasses.asdict(row) for row in self.layers],
                "detections": [dataclasses.asdict(row) for row in self.detections],
                "ap": self.ap,
            }
        )

    def write(self, path: Path) -> None:
        """Write `certificate.json`."""
        path.write_text(json.dumps(self.document(), indent=1, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def versions() -> dict[str, str]:
    """Of what computed the numbers."""
    from importlib.metadata import PackageNotFoundError, version

    backend = {"tensorflow": ("tensorflow", "tensorflow-cpu")}
    found = {}
    for name in backend.get(keras.backend.backend(), (keras.backend.backend(),)):
        try:
            found[keras.backend.backend()] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "zoo": zoo.__version__,
        "python": platform.python_version(),
        "keras": keras.__version__,
        **found,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "machine": platform.machine(),
    }


def file_facts(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Name, SHA-256 and bytes of a file."""
    path = Path(path)
    return {"file": path.name, "sha256": file_sha256(path), "bytes": path.stat().st_size}
