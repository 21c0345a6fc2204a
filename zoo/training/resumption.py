"""Whether a run directory can be gone on with, and with which config."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.cards import preset_of
from zoo.config import override, override_value
from zoo.errors import ZooError
from zoo.nested import differences
from zoo.training.checkpoint import FOLDER, Checkpoint, checkpoints, load_newest
from zoo.training.manifest import FILE, config_in, read_manifest

log = logging.getLogger(__name__)

#: Keys that a run may be gone on with changed: they have no influence on its numbers.
FREE = (
    "resume", "tracker", "callbacks", "checkpoint", "threads", "journal", "data.root",
    "data.cache_mb",
)  # fmt: skip


def in_place(arguments: Sequence[str]) -> list[str]:
    """Arguments of a command line; with `resume=DIR` Hydra works in DIR and leaves its own files.

    Without a run there the arguments are as they were, and `stored_config` complains.
    """
    given = [text for text in arguments if text.startswith("resume=")]
    if not given or not (Path(str(override_value(given[-1]))) / FILE).is_file():
        return list(arguments)
    place = given[-1].replace("resume=", "hydra.run.dir=", 1)
    return [*arguments, place, "hydra.output_subdir=null"]


def check_place(resume: str, directory: Path) -> None:
    """Refuse to go on with a run elsewhere than in its own directory.

    Args:
        resume: the key of that name.
        directory: where Hydra works.

    Raises:
        ZooError: there is a run, and it is elsewhere.
    """
    run = Path(resume)
    run = run if run.is_dir() else run.parent
    if (run / FILE).is_file() and run.resolve() != directory.resolve():
        raise ZooError(
            f"resume={resume} goes on in the directory of the run, not in {directory}; write "
            f"{override('resume', run)}, without hydra.run.dir and outside of a sweep"
        )


def stored_config(cfg: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """The config of the run in `cfg["resume"]`, with those overrides that change no number.

    `devices=all` is as many as they were when the run began, `weights=auto` the preset that it
    began with. What lay in the directory of the run lies in the one that it has now.

    Args:
        cfg: composed from the command line.
        overrides: of that command line; only keys that they name count.

    Raises:
        ZooError: no run there, or an override that would change its numbers.
    """
    run = Path(cfg["resume"])
    stored = config_in(read_manifest(run), run if run.is_dir() else run.parent)
    for text in overrides:
        name, _, given = text.lstrip("+~").partition("=")
        key = name.partition("@")[0].replace("/", ".")
        wanted, held = _at(cfg, key), _at(stored, key)
        if _free(key):
            _put(stored, key, wanted)
        elif not _has(cfg, key) and not text.startswith("~"):  # a recipe, which sets other keys
            raise ZooError(_refusal([(key, "what it was", given)], cfg["resume"]))
        elif wanted != held and not _stands_for(key, wanted, held, stored):
            raise ZooError(_refusal([(key, held, wanted)], cfg["resume"]))
    return stored


def _stands_for(key: str, wanted: Any, held: Any, stored: Mapping[str, Any]) -> bool:
    """Whether a word is one that a run replaces by the value held before it begins, see `train`."""
    if (key, wanted) == ("devices", "all"):
        return held is not None
    if (key, wanted) == ("weights", "auto"):
        return held == preset_of(stored["model"]["name"])
    return False


def resume_point(cfg: Mapping[str, Any], directory: Path) -> Checkpoint | None:
    """Where to go on in `directory`; None is a new run, or one that is finished.

    A run that was stopped before its first checkpoint starts over.

    Raises:
        ZooError: there is a run and `resume` is not set; its config differs; all its checkpoints
            are damaged; its manifest is not one of a training.
    """
    saved = checkpoints(directory / FOLDER)
    finished = is_finished(directory)
    if not saved and not finished:
        if (directory / FILE).is_file():
            log.info("the run in %s has no checkpoint: it starts over", directory)
        return None
    if not cfg["resume"]:
        remedy = "remove it" if finished else "resume=auto goes on with it"
        raise ZooError(
            f"{directory} holds a run{' that is finished' if finished else ''}; {remedy}, another "
            "hydra.run.dir starts a new one"
        )
    stored = config_in(read_manifest(directory), directory)
    changed = [row for row in differences(stored, cfg) if not _free(row[0])]
    if changed:
        raise ZooError(_refusal(changed, directory))
    return load_newest(directory / FOLDER)


def is_finished(directory: Path) -> bool:
    """Whether there is a run in `directory` that came to its end.

    Raises:
        ZooError: there is a manifest that is damaged or not one of a training.
    """
    if not (directory / FILE).is_file():
        return False
    return read_manifest(directory)["status"] == "finished"


def _free(key: str) -> bool:
    return any(key == free or key.startswith(f"{free}.") for free in FREE)


def _at(cfg: Any, key: str) -> Any:
    for part in key.split("."):
        cfg = cfg.get(part) if isinstance(cfg, Mapping) else None
    return cfg


def _has(cfg: Any, key: str) -> bool:
    """Whether there is such a key."""
    *parents, last = key.split(".")
    node = _at(cfg, ".".join(parents)) if parents else cfg
    return isinstance(node, Mapping) and last in node


def _put(cfg: dict[str, Any], key: str, value: Any) -> None:
    first, _, rest = key.partition(".")
    if rest:
        cfg[first] = dict(cfg.get(first) or {})
        _put(cfg[first], rest, value)
    else:
        cfg[key] = value


def _refusal(changed: Sequence[tuple[str, Any, Any]], run: Any) -> str:
    listed = "; ".join(f"{key}={wanted}, not {held}" for key, held, wanted in changed)
    return (
        f"the run in {run} cannot go on with {listed}: its numbers would be of no run; leave it "
        f"out, or start a new run with weights={run}"
    )
