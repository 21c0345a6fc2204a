"""How long a detector takes for an image, on a machine that is named."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.errors import ZooError
from zoo.model_card.evidence import of_weight
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
#: Rounds before the clock starts: compilation, caches.
WARM_UP = 3


def measure(detector: Any, preset: str, *, rounds: int) -> dict[str, Any]:
    """Time network, decoding and NMS of one image, as `SCHEMA` says.

    Args:
        detector: with its weights, for NMS takes as long as there are candidates.
        preset: its name.
        rounds: how often.
    """
    predictor = detector.predictor()
    image = np.random.default_rng(0).random((1, *detector.image_size, 3), np.float32)
    seconds = []
    for _ in range(WARM_UP + rounds):
        start = time.perf_counter()
        predictor.predict_on_batch(image)  # gives arrays of the host: nothing is under way then
        seconds.append(time.perf_counter() - start)
    times = [1000 * value for value in seconds[WARM_UP:]]
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
        "milliseconds": {
            "median": statistics.median(times), "least": min(times), "most": max(times),
        },
    }  # fmt: skip


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
