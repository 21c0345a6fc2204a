"""`python -m zoo.benchmark`: what the input pipeline, or a detector, costs on this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from zoo.command import command
from zoo.config import plain
from zoo.errors import ZooError, nearest

WHAT = ("data", "model")


@command("benchmark")
def main(cfg: DictConfig) -> None:
    """Measure, write benchmark.json with the environment and bars.svg, print a table."""
    from hydra.core.hydra_config import HydraConfig

    from zoo.speed.page import picture

    settings = plain(cfg)
    directory = Path(HydraConfig.get().runtime.output_dir)
    if (what := settings["what"]) not in WHAT:
        raise ZooError(f"no what={what!r}; {nearest(what, WHAT)}")
    found = _data(settings) if what == "data" else _model(settings)
    result = {"what": what, **_here(), "config": _config(settings), **found}
    (directory / "benchmark.json").write_text(json.dumps(result, indent=2) + "\n")
    (directory / "bars.svg").write_text(picture(found), encoding="utf-8")
    print(f"run directory: {directory}")


def _data(settings: dict[str, Any]) -> dict[str, Any]:
    from zoo.data.sources import open_source
    from zoo.speed.data import measure
    from zoo.speed.page import print_data

    found = measure(settings, open_source(settings["data"], "train"))
    print_data(found)
    return found


def _model(settings: dict[str, Any]) -> dict[str, Any]:
    from zoo.speed.model import measure
    from zoo.speed.page import print_model

    found = measure(settings)
    print_model(found, f"{settings['preset']} on {found['runtime']}")
    return found


def _here() -> dict[str, Any]:
    """Machine, packages, and how busy the machine was before."""
    from zoo.training.environment import accelerators, environment
    from zoo.training.manifest import now

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    here = {**environment(), "accelerators": accelerators(), "load": load}
    return {"started": now(), "environment": here}


def _config(settings: dict[str, Any]) -> dict[str, Any]:
    """The keys that bear on what was measured; a preset is no config of `model`."""
    model = ("preset", "runtime", "export_precision", "batch_sizes", "rounds")
    if settings["what"] == "model":
        return {key: settings[key] for key in model}
    data = (
        "data", "augment", "image_size", "batch_size", "precision", "threads", "seed", "count",
        "rounds",
    )  # fmt: skip
    return {key: settings[key] for key in data} | {"model": settings["model"]["name"]}


if __name__ == "__main__":
    main()
