"""What the card of a preset says, collected where each fact is at home."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo import cards, config
from zoo.darknet.order import convolutions
from zoo.errors import ZooError
from zoo.files import file_sha256
from zoo.model_card.counting import count_flops
from zoo.model_card.evidence import published, read_evidence
from zoo.model_card.latency import read_latency
from zoo.model_card.page import SCORES

#: The sections of a card, each with something in it.
SECTIONS = (
    "preset", "description", "architecture", "cost", "classes", "preprocessing", "weights",
    "training", "licence", "claimed", "measured", "latency", "limits", "commands",
)  # fmt: skip


def facts(
    preset: str, *, evaluations: Sequence[Path] = (), latencies: Sequence[Path] = ()
) -> dict[str, Any]:
    """The card of a preset as plain data.

    Args:
        preset: name of a card in `conf/card`.
        evaluations: run directories of `zoo.evaluate`, or manifests of such; by default the files
            that the card names.
        latencies: files of `zoo.model_card.latency.measure`; by default those that the card names.

    Raises:
        ZooError: a fact is missing, or a number has nothing that stands behind it.
    """
    import zoo

    card, file = cards.card(preset), config.find("card", preset)
    names = cards.class_names(card)
    detector = zoo.build(card["model"], names)
    evidence = list(evaluations) or _files(file, card["measured"])
    timed = list(latencies) or _files(file, card["latency"])
    found = {
        "preset": preset,
        "description": card["description"],
        "architecture": _architecture(detector, card["model"]),
        "cost": {
            "parameters": detector.count_params(),
            "flops": count_flops(detector, detector.image_size),
            "image_size": list(detector.image_size),
        },
        "classes": names,
        "preprocessing": {
            "image_size": list(detector.image_size),
            "multiples_of": detector.stride,
            "resize": detector.resize,
            "colour": "RGB",
            "values": "0 to 1, divided by 255",
        },
        "weights": card["weights"],
        "training": card["trained_on"],
        "licence": card["licence"],
        "claimed": card["claimed"]
        if isinstance(card["claimed"], str)
        else [_claim(preset, claim, card) for claim in card["claimed"]],
        "measured": [_measured(path, preset, card) for path in evidence] or card["measured"],
        "latency": [read_latency(path, preset) for path in timed] or card["latency"],
        "limits": [*_limits(detector, card), *card["limits"]],
        "commands": _commands(preset),
    }
    check_complete(found)
    return found


def check_complete(card: Mapping[str, Any]) -> None:
    """Refuse a card with a hole.

    Raises:
        ZooError: a section is missing or unknown, or something in it is empty; which one.
    """
    name = card.get("preset", "of a preset")
    if set(card) != set(SECTIONS):
        odd = sorted(set(card) ^ set(SECTIONS))
        raise ZooError(f"the card {name} has a hole, or too much: {', '.join(odd)}")
    for path, value in _walk(card):
        # No overlap, said as an empty list, is a statement.
        if value in (None, "", [], {}) and path != "training.overlap":
            raise ZooError(f"the card {name} has a hole: {path} is {value!r}")


def _walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All (dotted key, value), those of evidence left out: that has a schema of its own."""
    yield path, value
    items: Any = ()
    if isinstance(value, Mapping):
        items = ((key, item) for key, item in value.items() if key != "evidence")
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield from _walk(item, f"{path}.{key}" if path else str(key))


def _files(card: Path, named: Any) -> list[Path]:
    """Files beside a card; none where it gives a reason instead."""
    return [] if isinstance(named, str) else [card.parent / name for name in named]


def _architecture(detector: Any, model: str) -> dict[str, Any]:
    parts = {part: detector.cfg[part]["name"] for part in ("backbone", "neck", "head", "nms")}
    return {
        "model": model,
        **parts,
        "levels": sorted(detector.output),
        "anchors": len(getattr(detector.head, "anchors", ())),
        "convolutions": len(convolutions(detector)),
    }


def _claim(preset: str, claim: Mapping[str, Any], card: Mapping[str, Any]) -> dict[str, Any]:
    """A figure of others.

    Raises:
        ZooError: it is on images that the weights may have seen, and does not say so.
    """
    trained = card["trained_on"]
    seen = claim["split"] in trained["overlap"]
    if seen and claim.get("clean", True):
        raise ZooError(
            f"the card of {preset} claims a score on {claim['split']} as if it were clean: the "
            f"weights may have seen its images. {trained['note']} Say clean: false"
        )
    return {**claim, "clean": not seen}


def _measured(path: Path, preset: str, card: Mapping[str, Any]) -> dict[str, Any]:
    evidence = published(read_evidence(path, preset, card))
    scores = {key: evidence["metrics"][key] for key in SCORES}
    mean = evidence["darknet"]["mAP"]["0"]
    file = path if path.is_file() else path / "manifest.json"
    return {
        "rules": evidence["rules"],
        **scores,
        "darknet_mAP": mean,
        "clean": evidence["warning"] is None,
        "file": file.name,
        "sha256": file_sha256(file),
        "evidence": evidence,
    }


def _limits(detector: Any, card: Mapping[str, Any]) -> list[str]:
    found = [
        f"Knows its {len(detector.class_names)} classes and nothing else.",
        f"Sides of the network input are multiples of {detector.stride} pixels.",
    ]
    overlap = card["trained_on"]["overlap"]
    if overlap:
        found.append(f"No clean score on {', '.join(overlap)}: {card['trained_on']['note']}")
    return found


def _commands(preset: str) -> dict[str, str]:
    return {
        "detect": f"python -m zoo.detect preset={preset} source=photos/",
        "evaluate": f"python -m zoo.evaluate preset={preset} data=coco_json data.root=DIR",
        "train from it": (
            f"python -m zoo.train model={cards.card(preset)['model']} weights={preset} "
            "data=voc data.root=DIR"
        ),
        "verify": f"python -m zoo.verify preset={preset} cfg=FILE.cfg source=dog.jpg",
        "this card": f"python -m zoo.card preset={preset}",
    }
