"""`python -m zoo.card`: the card of a preset, made from facts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from zoo.command import command
from zoo.config import plain
from zoo.errors import ZooError
from zoo.ranges import check_whole


@command("card")
def main(cfg: DictConfig) -> None:
    """Write PRESET.md and PRESET.json, and the evidence of what was measured anew."""
    from hydra.core.hydra_config import HydraConfig

    from zoo.model_card.facts import facts
    from zoo.model_card.page import page

    settings = plain(cfg)
    preset, directory = settings["preset"], Path(HydraConfig.get().runtime.output_dir)
    if not isinstance(settings["evaluations"], list):
        raise ZooError(
            f"evaluations={settings['evaluations']}: must be a list of run directories; "
            f"write evaluations=[{settings['evaluations']}]"
        )
    check_whole("latency", settings["latency"], least=0)
    evaluations = [Path(str(path)) for path in settings["evaluations"]]
    latencies = _timed(preset, settings["latency"], directory) if settings["latency"] else []
    card = facts(preset, evaluations=_evidence(preset, evaluations, directory), latencies=latencies)
    (directory / f"{preset}.json").write_text(json.dumps(card, indent=2) + "\n")
    written = Path(settings["directory"] or directory) / f"{preset}.md"
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(page(card), encoding="utf-8")
    print(f"card: {written}")


def _evidence(preset: str, evaluations: list[Path], directory: Path) -> list[Path]:
    """The manifests of evaluations, checked, and without folders of this machine."""
    from zoo import cards
    from zoo.model_card.evidence import published, read_evidence

    files = []
    for path in evaluations:
        found = published(read_evidence(path, preset, cards.card(preset)))
        file = directory / f"{preset}-{found['rules']}.json"
        file.write_text(json.dumps(found, indent=2) + "\n")
        files.append(file)
    return files


def _timed(preset: str, rounds: int, directory: Path) -> list[Path]:
    import zoo
    from zoo.model_card.latency import measure

    file = directory / f"{preset}-latency.json"
    found: dict[str, Any] = measure(zoo.load(preset), preset, rounds=rounds)
    file.write_text(json.dumps(found, indent=2) + "\n")
    return [file]


if __name__ == "__main__":
    main()
