"""`manifest.json`: what a run was, so that it can be made again and its numbers believed."""

from __future__ import annotations

import datetime
import hashlib
import json
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig

from zoo.errors import ZooError, nearest
from zoo.files import write_text

FILE = "manifest.json"
VERSION = 1

TEXT, NUMBER, WHOLE, FLAG = (str,), (int, float), (int,), (bool,)
MAYBE_TEXT, MAYBE_NUMBER = (str, type(None)), (int, float, type(None))
#: Key → the types of its value, a mapping of keys again, or [what each item of a list is]. With a ?
#: it is one that older manifests lack.
ENVIRONMENT: dict[str, Any] = {
    "python": TEXT,
    "system": TEXT,
    "packages": (dict,),
    "accelerators": [TEXT],
    "hardware": {"cpu": TEXT, "cores": WHOLE, "memory_gib": MAYBE_NUMBER},
    "settings?": (dict,),
    "code": {
        "commit": MAYBE_TEXT,
        "dirty": (bool, type(None)),
        "patch_sha256": MAYBE_TEXT,
        "untracked": (list, type(None)),
    },
}
SCHEMA: dict[str, Any] = {
    "version": WHOLE,
    "id": TEXT,
    "status": TEXT,  # one of STATUS
    "started": TEXT,  # ISO 8601, UTC
    "resumed": [{"time": TEXT, "step": WHOLE, "changed?": [TEXT]}],  # changed: in the environment
    "command": [TEXT],
    "overrides?": [TEXT],  # of the job of a sweep, in which Hydra replaces its own record of them
    "directory?": TEXT,  # in which it began; values of the config may lie below
    "config": (dict,),
    "config_sha256": TEXT,
    "seed": WHOLE,
    "deterministic": FLAG,
    "backend": TEXT,
    "precision": TEXT,
    "environment": ENVIRONMENT,
    "data": {
        "class_names": [TEXT],
        "train": {"images": WHOLE, "boxes": (dict,), "fingerprint": TEXT, "files_sha256": TEXT},
        "val": {"images": WHOLE, "boxes": (dict,), "fingerprint": TEXT, "files_sha256": TEXT},
    },
    "initial_weights": {"name": MAYBE_TEXT, "sha256": TEXT},
    "steps_per_epoch": WHOLE,
    "seconds": MAYBE_NUMBER,  # of all parts of the run, without the time between them
    "joules": MAYBE_NUMBER,
    "metrics": (dict, type(None)),
    "best": (dict, type(None)),  # epoch, value, metrics, sha256 of the weights
    "last_sha256": MAYBE_TEXT,  # of the weights in last.keras
}
STATUS = ("running", "interrupted", "failed", "finished")


def new_manifest(cfg: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
    """The manifest of a run that begins now.

    Args:
        cfg: the resolved config.
        **facts: the keys that this function does not know: backend, environment, data, …
    """
    return {
        "version": VERSION,
        "id": uuid.uuid4().hex[:8],
        "status": "running",
        "started": now(),
        "resumed": [],
        "command": ["python", "-m", *command_line()],
        "overrides": _overrides(),
        "config": dict(cfg),
        "config_sha256": config_sha256(cfg),
        "seed": cfg["seed"],
        "deterministic": cfg["deterministic"],
        "precision": cfg["precision"],
        "seconds": None,
        "joules": None,
        "metrics": None,
        "best": None,
        "last_sha256": None,
        **facts,
    }


def command_line() -> list[str]:
    """Module and arguments, without the folder that the module lies in."""
    module = getattr(sys.modules.get("__main__"), "__spec__", None)
    return [module.name if module else Path(sys.argv[0]).name, *sys.argv[1:]]


def _overrides() -> list[str]:
    """Those of Hydra's job, if it is one."""
    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def config_sha256(cfg: Mapping[str, Any]) -> str:
    """SHA-256 of a plain config, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(cfg, sort_keys=True).encode()).hexdigest()


def config_in(manifest: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """The config of a run for `directory`: paths below that in which it began are below it."""
    config, began = manifest["config"], manifest.get("directory")
    return moved(config, Path(began), directory) if began else dict(config)


def moved(value: Any, before: Path, directory: Path) -> Any:
    """A copy of plain data in which paths below one folder are below the other, absolute."""
    if isinstance(value, Mapping):
        return {key: moved(item, before, directory) for key, item in value.items()}
    if isinstance(value, list):
        return [moved(item, before, directory) for item in value]
    before, directory = before.absolute(), directory.absolute()
    if isinstance(value, str) and Path(value).is_relative_to(before):
        return str(directory / Path(value).relative_to(before))
    return value


def write_manifest(manifest: Mapping[str, Any], directory: Path) -> None:
    """Check and write; the file is whole at any moment.

    Raises:
        ZooError: it is not as `SCHEMA` says.
    """
    check(manifest, "manifest")
    write_text(directory / FILE, json.dumps(manifest, indent=2) + "\n")


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a run directory, or in a file of any name.

    Raises:
        ZooError: there is none, or it is damaged or of another version.
    """
    file = path / FILE if path.is_dir() else path
    try:
        manifest = json.loads(file.read_text())
    except OSError as error:
        raise ZooError(f"no run in {path}: {file} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ZooError(f"{file} is damaged: {error}") from error
    check(manifest, str(file))
    if manifest["config_sha256"] != config_sha256(manifest["config"]):
        raise ZooError(f"{file}: config_sha256 is not that of its config; one of them was edited")
    return manifest


def refuse_training(directory: Path) -> None:
    """Let no other command replace the manifest of a training.

    Raises:
        ZooError: there is one in `directory`.
    """
    try:
        found = json.loads((directory / FILE).read_text())
    except (OSError, ValueError):
        return
    if isinstance(found, Mapping) and "config_sha256" in found:
        raise ZooError(
            f"{directory} holds a training, whose manifest and scores would be lost; name another "
            "hydra.run.dir"
        )


def check(manifest: Any, where: str) -> None:
    """Compare a manifest with `SCHEMA`.

    Raises:
        ZooError: another version; a key that is missing, unknown or of another type.
    """
    version = manifest.get("version") if isinstance(manifest, Mapping) else None
    if version != VERSION:
        raise ZooError(f"{where} has version {version!r}; this zoo reads version {VERSION}")
    check_against(manifest, SCHEMA, where)
    if manifest["status"] not in STATUS:
        raise ZooError(f"{where}: status {manifest['status']!r}; there are: {', '.join(STATUS)}")


def check_against(value: Any, schema: Any, where: str) -> None:
    """Compare plain data with a schema, whose form is that of `SCHEMA`.

    Raises:
        ZooError: a key that is missing, unknown or of another type.
    """
    if isinstance(schema, dict):
        check_against(value, (dict,), where)
        known = {key.removesuffix("?"): of_key for key, of_key in schema.items()}
        for key in known.keys() & schema.keys() - value.keys():
            raise ZooError(f"{where} lacks {key!r}")
        for key in value.keys() - known.keys():
            raise ZooError(f"{where} has an unknown key {key!r}; {nearest(key, known)}")
        for key in value:
            check_against(value[key], known[key], f"{where}: {key}")
    elif isinstance(schema, list):
        check_against(value, (list,), where)
        for item in value:
            check_against(item, schema[0], f"{where}[]")
    elif not isinstance(value, schema) or (isinstance(value, bool) and bool not in schema):
        kinds = " or ".join(kind.__name__ for kind in schema)
        raise ZooError(f"{where} is {value!r}, not {kinds}")
