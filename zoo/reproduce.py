"""`python -m zoo.reproduce`: a run made again, and whether its numbers came out again."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from zoo.command import command
from zoo.config import override, plain
from zoo.console import plain_console, table
from zoo.errors import ZooError

VERSION = 1


@command("reproduce")
def main(cfg: DictConfig) -> str:
    """Say what differs, train, compare; exit status 1 if a number did not come out again."""
    from hydra.core.hydra_config import HydraConfig

    from zoo.training.manifest import read_manifest

    signal.signal(signal.SIGTERM, lambda *_: exit(128 + signal.SIGTERM))
    settings = plain(cfg)
    check_settings(settings)
    directory = Path(HydraConfig.get().runtime.output_dir)
    path = Path(settings["run"])
    manifest = read_manifest(path)
    if manifest["metrics"] is None:
        raise ZooError(
            f"the run in {path} is {manifest['status']} and has no metrics to reproduce; finish it "
            f"with: python -m zoo.train {override('resume', path)}"
        )
    result = reproduce(path, manifest, directory, settings)
    (directory / "reproduction.json").write_text(json.dumps(result, indent=2) + "\n")
    print_result(result)
    if result["verdict"] == "not reproduced":
        raise SystemExit(1)
    return result["verdict"]


def check_settings(settings: Mapping[str, Any]) -> None:
    """Refuse what would be of no use after hours of training.

    Args:
        settings: plain `conf/reproduce.yaml`.

    Raises:
        ZooError: names the key, its value and what fits.
    """
    from zoo.ranges import WEIGHT, check_number, check_whole
    from zoo.training.settings import check_seed

    check_whole("seeds", settings["seeds"], least=1)
    if settings["seed"] is not None:
        check_seed("seed", settings["seed"])
    check_number("tolerance", settings["tolerance"], WEIGHT)


def reproduce(
    path: Path, manifest: Mapping[str, Any], directory: Path, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Make the run again, as often as `seeds` says, in folders of `directory`; the verdict."""
    from zoo.training import reproduction as again
    from zoo.training.comparison import IDENTICAL, WITHIN, verdicts, worst
    from zoo.training.settings import check_seed

    first = manifest["seed"] if settings["seed"] is None else settings["seed"]
    seeds = [first + number for number in range(settings["seeds"])]
    check_seed("the last of the seeds", seeds[-1])
    folders = {seed: directory / f"seed-{seed}" for seed in seeds}
    configs = {
        seed: again.config_again(
            manifest, folders[seed], seed=seed, data_root=settings["data_root"]
        )
        for seed in seeds
    }
    changed = {
        "environment": [
            *again.environment_changes(manifest),
            *(line for seed in seeds for line in again.finished_before(folders[seed])),
        ],
        "data": again.data_changes(path, manifest, configs[first]["data"]),
        "config": [f"seed: {manifest['seed']} → {first}"] if first != manifest["seed"] else [],
    }
    print_changes(changed)
    runs = [again.run_again(configs[seed], folders[seed], manifest["backend"]) for seed in seeds]
    changed["initial weights"] = again.initial_changes(manifest, runs[0])
    table = verdicts(
        manifest["metrics"], [run["metrics"] for run in runs], tolerance=settings["tolerance"]
    )
    same = _weights(manifest) == _weights(runs[0])
    return {
        "version": VERSION,
        "run": manifest["id"],
        "changed": changed,
        "runs": [_summary(run, folders[run["seed"]].name) for run in runs],
        "metrics": table,
        "weights": IDENTICAL if same else "different",
        # Other weights with the same scores are no identical run.
        "verdict": worst(
            [row["verdict"] for row in table.values()] + [IDENTICAL if same else WITHIN]
        ),
    }


def _weights(manifest: Mapping[str, Any]) -> tuple[str, str]:
    return manifest["best"]["sha256"], manifest["last_sha256"]


def _summary(run: Mapping[str, Any], folder: str) -> dict[str, Any]:
    best, last = _weights(run)
    return {
        "seed": run["seed"],
        "folder": folder,
        "metrics": run["metrics"],
        "best_sha256": best,
        "last_sha256": last,
    }


def print_changes(changed: Mapping[str, Sequence[str]]) -> None:
    """One line for each difference."""
    for what, lines in changed.items():
        for line in lines:
            print(f"warning: {what} changed: {line}", flush=True)


def print_result(result: Mapping[str, Any]) -> None:
    """The table of verdicts, and the one on the whole."""
    study = len(result["runs"]) > 1
    spread = ["mean of seeds", "one seed"] if study else []
    columns, rows = ["metric", "before", "now", *spread, "verdict"], []
    for name, row in result["metrics"].items():
        numbers = [_shown(row["before"]), _shown(row["now"])]
        if study:
            mean = _shown(row["mean"], f" ± {row['interval']:.4f}")
            numbers += [mean, "–" if row["mean"] < 0 else f"± {row['spread']:.4f}"]
        rows.append((name, *numbers, row["verdict"]))
    title = f"run {result['run']} again"
    plain_console().print(table(columns, rows, title=title, words=("metric", "verdict")))
    print(f"weights: {result['weights']}")
    print_changes(result["changed"])
    print(f"verdict: {result['verdict']}")


def _shown(value: float, more: str = "") -> str:
    """A metric and what belongs to it; COCO's −1 is a metric that the data have nothing for."""
    return "–" if value < 0 else f"{value:.4f}{more}"


if __name__ == "__main__":
    main()
