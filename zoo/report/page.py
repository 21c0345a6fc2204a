"""The page: each section from a file of the run directory, where it is there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import yaml

from zoo.files import write_text
from zoo.report import history, scores
from zoo.report.examples import examples
from zoo.report.html import document, facts, figure, note, picture, section
from zoo.report.labels import training_labels

FILE = "report.html"
#: Pictures that a run may leave: the title of each, and what is on it.
PICTURES = {
    "batches.png": ("Training batches", "The first training batches, as the network sees them."),
    "examples.png": ("Detections", "Detections on the first images of the evaluation."),
}


def write_report(directory: str | Path) -> Path:
    """Write `report.html` of a run directory, from its files alone and with none beside it.

    Looks for manifest.json, config.yaml, metrics.jsonl or history.csv, metrics.json,
    evaluation.json with its folder `pictures`, batches.png and examples.png; a section is left out
    where its file is missing, so that a report can be made at any moment and made again later.

    Args:
        directory: of a run of `zoo.train` or `zoo.evaluate`.

    Returns:
        The path of the page.
    """
    directory = Path(directory)
    evaluation, manifest = _json(directory / "evaluation.json"), _json(directory / "manifest.json")
    first, *rest = scores.sections(_json(directory / "metrics.json"), evaluation)
    sections = [
        first,
        history.section_of(directory),
        examples(evaluation, directory / "pictures"),
        *rest,
        training_labels(manifest),
        *_pictures(directory),
        *_origin(directory, manifest),
    ]
    body = "".join(sections) or note("This run directory has nothing to report yet.")
    path = directory / FILE
    write_text(path, document(_title(directory), str(directory), body))
    return path


def _title(directory: Path) -> str:
    """Model and data, as far as the run tells."""
    config = _config(directory)
    model, data = config.get("model"), config.get("data")
    name = model.get("name") if isinstance(model, Mapping) else config.get("preset")
    place = data.get("name") if isinstance(data, Mapping) else None
    parts = [Path(str(name)).name if name else "", f"on {place}" if place else ""]
    return " ".join(part for part in parts if part) or directory.name


def _pictures(directory: Path) -> list[str]:
    return [
        section(
            title,
            figure(picture(directory / name, caption), caption),
            anchor=name.removesuffix(".png"),
        )
        for name, (title, caption) in PICTURES.items()
        if (directory / name).is_file()
    ]


def _origin(directory: Path, manifest: Mapping[str, Any]) -> list[str]:
    config = _config(directory)
    without = {key: value for key, value in manifest.items() if key != "config"}
    text = yaml.safe_dump(config, sort_keys=False) if config else ""
    return [
        section("Manifest", facts(without), anchor="manifest"),
        section(
            "Config",
            f"<details><summary>all keys</summary><pre>{escape(text)}</pre></details>" * bool(text),
            anchor="config",
        ),
    ]


def _config(directory: Path) -> dict[str, Any]:
    """The resolved config: config.yaml, or what the manifest says."""
    for file in (directory / "config.yaml", directory / ".hydra" / "config.yaml"):
        if file.is_file():
            return yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    found = _json(directory / "manifest.json").get("config", {})
    return found if isinstance(found, dict) else {}


def _json(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
