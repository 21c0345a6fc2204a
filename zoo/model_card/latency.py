"""How long a detector takes for an image, on a machine that is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras

from zoo.errors import ZooError
from zoo.model_card.evidence import of_weight
from zoo.speed.model import network
from zoo.speed.timing import milliseconds, spread
from zoo.training.environment import accelerators, environment
from zoo.training.manifest import NUMBER, TEXT, WHOLE, check_against, now

VERSION = 1
#: Key → the types of its value, as in `zoo.training.manifest`.
SCHEMA: dict[str, Any] = {
    "version": WHOLE,
    "preset": TEXT,
    "started": TEXT,
    "device": TEXT,
    "cores": WHOLE,
    "backend": TEXT,
    "packages": (dict,),
    "image_size": [WHOLE],
    "batch_size": WHOLE,
    "rounds": WHOLE,
    "milliseconds": {"median": NUMBER, "least": NUMBER, "most": NUMBER},
}


def measure(detector: Any, preset: str, *, rounds: int) -> dict[str, Any]:
    """Time network, decoding and NMS of one image, as `SCHEMA` says.

    Args:
        detector: with its weights, for NMS takes as long as there are candidates.
        preset: its name.
        rounds: how often.
    """
    found = spread(milliseconds(network(detector, 1), rounds=rounds))
    here = environment()
    return {
        "version": VERSION,
        "preset": preset,
        "started": now(),
        "device": ", ".join(accelerators()) or here["hardware"]["cpu"],
        "cores": here["hardware"]["cores"],
        "backend": keras.backend.backend(),
        "packages": of_weight(here["packages"]),
        "image_size": list(detector.image_size),
        "batch_size": 1,
        "rounds": rounds,
        "milliseconds": {key: found[key] for key in ("median", "least", "most")},
    }


def read_latency(path: Path, preset: str) -> dict[str, Any]:
    """A file of `measure`.

    Raises:
        ZooError: it is not one, or of another preset.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ZooError(f"no latency without its file: {path} cannot be read ({error})") from error
    check_against(found, SCHEMA, str(path))
    if found["preset"] != preset:
        raise ZooError(f"{path} is of {found['preset']}, not of {preset}")
    return found
