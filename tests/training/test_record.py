"""What the manifest of a run keeps of how it went on."""

import hashlib

import keras
import pytest
from manifests import manifest

from zoo.training import record
from zoo.training.checkpoint import Checkpoint
from zoo.training.manifest import read_manifest, write_manifest
from zoo.training.record import RunRecord

CLEAN = {"commit": "a", "dirty": False, "patch_sha256": None, "untracked": []}
PATCH = b"+\xe9"
DIRTY = {**CLEAN, "dirty": True, "patch_sha256": hashlib.sha256(PATCH).hexdigest()}


@pytest.fixture
def resumed(tmp_path, monkeypatch):
    """Function that lets a run, begun with clean code, go on with this code and patch."""
    facts = manifest(backend=keras.backend.backend())
    facts["environment"]["code"] = CLEAN
    write_manifest(facts, tmp_path)
    monkeypatch.setattr(record, "accelerators", list)

    def resume(code, patch):
        here = {**facts["environment"], "code": code}
        monkeypatch.setattr(record, "environment", lambda: here)
        monkeypatch.setattr(record, "code", lambda: (code, patch))
        RunRecord.of_resumed_run(tmp_path, {}, Checkpoint(7, {}, {"seconds": 1.0, "joules": None}))
        return read_manifest(tmp_path)["resumed"][-1]

    return resume


def test_a_run_that_goes_on_with_other_code_says_so_and_keeps_it(resumed, tmp_path, caplog):
    entry = resumed(DIRTY, PATCH)
    assert entry["step"] == 7
    assert entry["changed"] == [
        "code.dirty: False → True", f"code.patch_sha256: none → {DIRTY['patch_sha256']}",
    ]  # fmt: skip
    assert "since its start there changed code.dirty: False → True" in caplog.text
    assert (tmp_path / "changes-7.patch").read_bytes() == PATCH
    assert read_manifest(tmp_path)["environment"]["code"] == CLEAN

    # Stopped there, mended, and gone on with what it began with.
    assert resumed(CLEAN, b"")["changed"] == []
    assert not (tmp_path / "changes-7.patch").exists()
