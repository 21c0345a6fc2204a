"""What stands behind a measured number: the manifest of its evaluation."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from zoo import cards
from zoo.data.sample import Source
from zoo.errors import ZooError
from zoo.exported import ExportedDetector
from zoo.format.contract import format_of
from zoo.training.environment import accelerators, environment
from zoo.training.manifest import (
    ENVIRONMENT,
    MAYBE_TEXT,
    TEXT,
    WHOLE,
    check_against,
    command_line,
    now,
)
from zoo.training.state import weights_sha256

FILE = "manifest.json"
VERSION = 1
#: Key → the types of its value, as in `zoo.training.manifest`.
SCHEMA: dict[str, Any] = {
    "version": WHOLE,
    "started": TEXT,  # ISO 8601, UTC
    "command": [TEXT],
    "weights": {"name": TEXT, "file_sha256": MAYBE_TEXT, "values_sha256": TEXT},
    "rules": TEXT,  # the choice of `evaluation=`
    "evaluation": (dict,),
    "image_size": [WHOLE],
    "split": TEXT,
    "data": {
        "config": (dict,),
        "category_ids": [WHOLE],
        "images": WHOLE,
        "objects": WHOLE,
        "fingerprint": TEXT,
    },
    "backend": TEXT,
    "environment": ENVIRONMENT,
    "metrics": (dict,),
    "darknet": (dict,),  # by the rules of `detector map`
    "warning": MAYBE_TEXT,  # why the scores are not clean
}
#: Packages that have a say in the numbers; evidence that is published names only these.
PACKAGES = {
    "keras", "tensorflow", "tensorflow-cpu", "jax", "jaxlib", "torch", "numpy",
    "opencv-python-headless", "hotcoco",
}  # fmt: skip
#: What stands for a folder of the machine in evidence that is published.
FOLDER = "DIR"


def evaluation_manifest(
    settings: Mapping[str, Any],
    *,
    rules: str,
    detector: Any,
    source: Source,
    found: Mapping[str, Any],
    warning: str | None,
) -> dict[str, Any]:
    """All that an evaluation was, as `SCHEMA` says.

    Args:
        settings: plain `conf/evaluate.yaml`.
        rules: the choice of the group `evaluation`.
        detector: what was evaluated; of an exported one the file is hashed, not the weights.
        source: on what.
        found: what evaluation.json holds.
        warning: why the scores are not clean.
    """
    name = settings["preset"]
    engine = format_of(detector.where) if isinstance(detector, ExportedDetector) else None
    known = cards.card(name)["weights"]["sha256"] if name in cards.names() else None
    size = settings["evaluation"].get("image_size") or detector.image_size
    data = {key: value for key, value in settings["data"].items() if key != "cache_mb"}
    return {
        "version": VERSION,
        "started": now(),
        "command": ["python", "-m", *command_line()],
        "weights": {
            "name": name,
            "file_sha256": known,
            "values_sha256": detector.sha256 if engine else weights_sha256(detector),
        },
        "rules": rules,
        "evaluation": dict(settings["evaluation"]),
        "image_size": list(detector.check_size(size)),
        "split": settings["split"],
        "data": {
            "config": data,
            "category_ids": [int(number) for number in source.category_ids],
            "images": found["images"],
            "objects": found["objects"],
            "fingerprint": source.fingerprint,
        },
        "backend": engine or keras.backend.backend(),
        "environment": {**environment(), "accelerators": accelerators()},
        "metrics": dict(found["metrics"]),
        "darknet": dict(found["darknet"]),
        "warning": warning,
    }


def read_evidence(path: Path, preset: str, card: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of an evaluation, if it is one of this preset and says all that is to be said.

    Args:
        path: run directory of `zoo.evaluate`, or the file.
        preset: whose card it is for.
        card: of the preset.

    Raises:
        ZooError: there is no manifest, so that the numbers stand for nothing; it lacks something;
            it is of other weights; or its scores are not clean and it does not say so.
    """
    file = path / FILE if path.is_dir() else path
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ZooError(
            f"no measured number without a manifest: {file} cannot be read ({error}); make it with "
            f"python -m zoo.evaluate preset={preset} …"
        ) from error
    check_against(found, SCHEMA, str(file))
    wanted = card["weights"]["sha256"]
    if found["weights"]["file_sha256"] != wanted:
        raise ZooError(
            f"{file} is of weights with SHA-256 {found['weights']['file_sha256']}, the card of "
            f"{preset} is of {wanted}"
        )
    reason = cards.not_clean(preset, found["data"]["category_ids"])
    if reason and not found["warning"]:
        raise ZooError(f"{file} gives its scores as if they were clean. {reason}")
    return found


def published(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """A copy without folders of the machine, and with the packages that matter."""
    root = evidence["data"]["config"].get("root")
    found = json.loads(json.dumps(evidence))
    if root and Path(root).is_absolute():
        found = _without_folder(found, root)
    if root:
        found["data"]["config"]["root"] = FOLDER
    found["command"] = [
        f"data.root={FOLDER}" if part.lstrip("+").startswith("data.root=") else part
        for part in found["command"]
        if not part.startswith("hydra.run.dir=")
    ]
    found["environment"]["packages"] = of_weight(found["environment"]["packages"])
    found["environment"]["code"]["untracked"] = None
    return found


def _without_folder(value: Any, folder: str) -> Any:
    """A copy of plain data with `FOLDER` in its strings for an absolute folder of the machine.

    Only where the name of the folder ends there: `/data` is no part of `/data2` or of `a/data`.
    """
    if isinstance(value, dict):
        return {key: _without_folder(item, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_folder(item, folder) for item in value]
    if not isinstance(value, str):
        return value
    name = re.escape(folder.rstrip("/") or "/")
    return re.sub(rf"(?<![\w./-]){name}(?![\w-]|\.\w)", FOLDER, value)


def of_weight(packages: Mapping[str, str]) -> dict[str, str]:
    """Of all packages with their versions those that matter."""
    return {k: v for k, v in packages.items() if k.lower().replace("_", "-") in PACKAGES}
