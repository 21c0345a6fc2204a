"""Pretrained models: a card each, in `conf/card`, with provenance, hashes and numbers.

A card states what others *claim* (with the source) apart from what this project *measured*.
Imports no Keras until a model is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from zoo import config
from zoo.download import fetch
from zoo.errors import ZooError, nearest

if TYPE_CHECKING:
    from zoo.detector import Detector

#: What a card says, each of these once, and nothing else.
FIELDS = {
    "description", "model", "class_names", "weights",
    "licence", "trained_on", "claimed", "measured",
}  # fmt: skip
WEIGHTS_FIELDS = {"url", "filename", "size", "sha256", "format"}


def names() -> list[str]:
    """All presets, ours and the plugins', sorted."""
    return config.options("card")


def card(name: str) -> dict[str, Any]:
    """What is known about a preset.

    Returns:
        description; model, a config of the group `model`; class_names, a config of the group
        `classes` or a list; weights: url, filename, size (bytes), sha256, format; licence;
        trained_on; claimed, a list of figures each with its source; measured.

    Raises:
        ZooError: there is no such preset (the nearest is suggested), or its card has a hole.
    """
    if name not in names():
        raise ZooError(f"no preset {name!r}; {nearest(name, names())}")
    file = config.find("card", name)
    found = config.plain(OmegaConf.load(file))
    _check_fields(file, found, FIELDS)
    _check_fields(file, found["weights"], WEIGHTS_FIELDS)
    return found


def _check_fields(file: Path, found: Any, fields: set[str]) -> None:
    keys = set(found) if isinstance(found, dict) else set()
    if missing := sorted(fields - keys):
        raise ZooError(f"the card {file} lacks {', '.join(missing)}")
    for key in sorted(keys - fields):
        raise ZooError(f"the card {file} has no place for {key!r}; {nearest(key, fields)}")


def class_names(card: dict[str, Any]) -> list[str]:
    """The classes that a card's model was trained for, in the order of its outputs.

    Raises:
        ZooError: the card names a list that is not in the group `classes`.
    """
    found = card["class_names"]
    if isinstance(found, str):
        found = config.plain(OmegaConf.load(config.find("classes", found)))
    return [str(name) for name in found]


def weights_file(card: dict[str, Any]) -> Path:
    """The verified weights of a card, fetched where needed (see `zoo.download.fetch`).

    Raises:
        ZooError: they are neither cached nor to be had.
    """
    weights = card["weights"]
    return fetch(**{key: weights[key] for key in ("url", "filename", "size", "sha256")})


def load(name: str) -> Detector:
    """Build the model of a preset and load its weights.

    Raises:
        ZooError: no such preset, or its weights are not to be had or do not fit.
    """
    preset = card(name)
    if preset["weights"]["format"] != "darknet":
        raise ZooError(
            f"preset {name!r} has weights of format {preset['weights']['format']!r}, "
            "of which there is no reader; there is: darknet"
        )
    path = weights_file(preset)  # before the slow part: building imports Keras
    from zoo.darknet.weights import load_weights
    from zoo.detector import Detector

    cfg = config.plain(config.compose(f"model/{preset['model']}")["model"])
    model = Detector(cfg, class_names(preset))
    load_weights(model, path)
    return model
