"""Data → run → weights: what a run takes and gives, as artifacts of W&B."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import wandb

from zoo import cards

BEST = "best.keras"
#: What a run leaves, in the order of interest; the artifact holds what is there at its end.
FILES = (
    "manifest.json", "config.yaml", "metrics.jsonl", "metrics.json", "evaluation.json",
    "report.html",
)  # fmt: skip


def use_inputs(run: Any, directory: Path, config: Mapping[str, Any]) -> None:
    """Say which data and which initial weights the run takes.

    `Run.use_artifact` refuses to work offline; what it does online, to log an artifact that the
    run uses once it is there, also goes into the offline file, from which `wandb sync` does it.
    """
    for artifact in _inputs(directory, config):
        if run.settings._offline:
            run._log_artifact(artifact, is_user_created=True, use_after_commit=True)
        else:
            run.use_artifact(artifact)


def log_outputs(run: Any, directory: Path) -> None:
    """Keep the best weights, and the files that say how they came to be."""
    facts = _manifest(directory)
    if (directory / BEST).is_file():
        best = {"best": facts["best"]} if facts.get("best") else {}
        run.log_artifact(_weights_of(run.id, directory, best), aliases=["latest", "best"])
    files = [directory / name for name in FILES if (directory / name).is_file()]
    if files:
        described: dict[str, Any] = {
            key: facts[key] for key in ("data", "metrics", "seed") if key in facts
        }
        if "environment" in facts:
            described["code"] = facts["environment"]["code"]
        artifact = wandb.Artifact(f"run-{run.id}", type="run", metadata=described)
        for file in files:
            artifact.add_file(str(file), policy="immutable", skip_cache=True)
        run.log_artifact(artifact)


def _inputs(directory: Path, config: Mapping[str, Any]) -> Iterator[Any]:
    if (digests := directory / "data.json").is_file():
        # The same data are the same version: W&B knows an artifact by its content.
        name = _allowed(f"data-{config['data']['name']}")
        artifact = wandb.Artifact(name, type="dataset", metadata=_manifest(directory)["data"])
        artifact.add_file(str(digests), policy="immutable", skip_cache=True)
        yield artifact
    if config.get("weights"):
        yield _initial(str(config["weights"]), _manifest(directory).get("initial_weights"))


def _initial(weights: str, facts: Any) -> Any:
    """A preset, the best weights of another run, or a file."""
    described = {"initial_weights": facts} if facts else {}
    if weights in cards.names():
        card = cards.card(weights)
        artifact = wandb.Artifact(
            _allowed(f"weights-{weights}"), type="model", metadata={**card["weights"], **described}
        )
        url, filename = card["weights"]["url"], card["weights"]["filename"]
        artifact.add_reference(url, name=filename, checksum=False)
        return artifact
    path = Path(weights)
    folder = path if path.is_dir() else path.parent
    if (run := _manifest(folder).get("id")) and path in (folder, folder / BEST):
        return _weights_of(run, folder, {})
    artifact = wandb.Artifact(_allowed(f"weights-{path.stem}"), type="model", metadata=described)
    artifact.add_file(str(path), policy="immutable", skip_cache=True)
    return artifact


def _weights_of(run: str, directory: Path, described: dict[str, Any]) -> Any:
    """The best weights of a run, the same artifact where they come from and where they go to."""
    artifact = wandb.Artifact(f"model-{run}", type="model", metadata=described)
    # Not copied into W&B's cache first: weights are large, and the run directory keeps them.
    artifact.add_file(str(directory / BEST), policy="immutable", skip_cache=True)
    return artifact


def _manifest(directory: Path) -> dict[str, Any]:
    file = directory / "manifest.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _allowed(name: str) -> str:
    return re.sub(r"[^\w.-]", "-", name)
