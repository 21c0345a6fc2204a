"""The record of a run under way: its manifest, kept true to what happens."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras

from zoo.data.sample import Source
from zoo.detector import Detector
from zoo.errors import ZooError
from zoo.files import replacing, write_text
from zoo.training import data_record
from zoo.training.checkpoint import Checkpoint
from zoo.training.environment import (
    Meter,
    accelerators,
    code,
    environment,
    environment_changes,
)
from zoo.training.interruption import Interrupted
from zoo.training.manifest import new_manifest, now, read_manifest, write_manifest
from zoo.training.state import weights_sha256

log = logging.getLogger(__name__)


class RunRecord:
    """The manifest of the run in `directory`, and its clock.

    Args:
        manifest: as `SCHEMA` says.
        directory: of the run.
        meter: of time and energy.
    """

    def __init__(self, manifest: dict[str, Any], directory: Path, meter: Meter):
        self.manifest, self.directory, self.meter = manifest, directory, meter

    @classmethod
    def of_new_run(
        cls,
        cfg: Mapping[str, Any],
        directory: Path,
        sources: Mapping[str, Source],
        detector: Detector,
        steps: int,
    ) -> RunRecord:
        """Write manifest.json, data.json and, in a checkout with changes, changes.patch."""
        digests = {split: data_record.image_digests(source) for split, source in sources.items()}
        write_text(directory / data_record.FILE, json.dumps(digests) + "\n")
        for old in directory.glob("changes-[0-9]*.patch"):  # of a run that starts over
            old.unlink()
        _write_patch(code()[1], directory / "changes.patch")
        manifest = new_manifest(
            cfg,
            directory=str(directory.absolute()),
            backend=keras.backend.backend(),
            environment={**environment(), "accelerators": accelerators()},
            data={
                "class_names": list(sources["train"].class_names),
                **{split: data_record.summary(sources[split], digests[split]) for split in digests},
            },
            initial_weights={"name": cfg["weights"], "sha256": weights_sha256(detector)},
            steps_per_epoch=steps,
        )
        write_manifest(manifest, directory)
        return cls(manifest, directory, Meter())

    @classmethod
    def of_resumed_run(
        cls, directory: Path, sources: Mapping[str, Source], checkpoint: Checkpoint
    ) -> RunRecord:
        """Read the manifest and note that the run goes on, and what has changed around it.

        Every file is read and hashed, as for a new run: names and sizes may stay where pixels
        change. Uncommitted changes other than those at its start are in changes-STEP.patch.

        Raises:
            ZooError: the backend or the data are not those of the run.
        """
        manifest = read_manifest(directory)
        if (backend := keras.backend.backend()) != manifest["backend"]:
            raise ZooError(
                f"the run in {directory} cannot go on with {backend}; set "
                f"KERAS_BACKEND={manifest['backend']}"
            )
        digests = {split: data_record.image_digests(source) for split, source in sources.items()}
        for split, source in sources.items():
            known = manifest["data"][split]
            found = source.fingerprint, data_record.files_sha256(digests[split])
            if found != (known["fingerprint"], known["files_sha256"]):
                raise ZooError(f"the data of {directory} changed: {_changes(directory, digests)}")
        before, here = manifest["environment"], {**environment(), "accelerators": accelerators()}
        changed = environment_changes(before, here)
        for line in changed:
            log.warning("the run goes on, but since its start there changed %s", line)
        same = here["code"]["patch_sha256"] == before["code"]["patch_sha256"]
        _write_patch(b"" if same else code()[1], directory / f"changes-{checkpoint.step}.patch")
        manifest["resumed"].append({"time": now(), "step": checkpoint.step, "changed": changed})
        manifest["status"] = "running"
        write_manifest(manifest, directory)
        facts = checkpoint.facts
        return cls(manifest, directory, Meter(facts["seconds"], facts["joules"]))

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """Write down how the block ends."""
        try:
            yield
        except BaseException as error:
            stopped = isinstance(error, Interrupted | KeyboardInterrupt)
            with contextlib.suppress(OSError):
                self.note(status="interrupted" if stopped else "failed")
            raise

    def note(self, **facts: Any) -> None:
        """Write facts, time and energy down."""
        self.manifest |= {**facts, "seconds": round(self.meter.seconds(), 3)}
        self.manifest["joules"] = self.meter.joules()
        write_manifest(self.manifest, self.directory)


def _write_patch(patch: bytes, file: Path) -> None:
    """Write uncommitted changes; where there are none, nothing of an earlier start stays."""
    if not patch:
        file.unlink(missing_ok=True)
        return
    with replacing(file) as written:
        written.write_bytes(patch)


def _changes(directory: Path, digests: Mapping[str, Mapping[str, Any]]) -> str:
    with contextlib.suppress(OSError, ValueError):
        before = json.loads((directory / data_record.FILE).read_text())
        if found := data_record.changes(before, digests):
            return "; ".join(found)
    return "the fingerprints differ"
