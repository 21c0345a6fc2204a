import json

import pytest
from manifests import manifest

from zoo.errors import ZooError
from zoo.training.manifest import (
    check,
    config_sha256,
    read_manifest,
    refuse_training,
    write_manifest,
)


def test_what_is_written_is_read(tmp_path):
    written = manifest(seconds=1.5)
    write_manifest(written, tmp_path)
    assert read_manifest(tmp_path) == written
    assert read_manifest(tmp_path / "manifest.json") == written


def test_the_command_names_no_folder_of_the_program():
    assert not any("/" in word for word in manifest()["command"][:3])


def without(key):
    return {name: value for name, value in manifest().items() if name != key}


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        pytest.param(without("seed"), "lacks 'seed'", id="missing"),
        pytest.param(manifest(sede=1), "unknown key 'sede'; did you mean seed?", id="unknown"),
        pytest.param(manifest(seed="3"), "seed is '3', not int", id="text for a number"),
        pytest.param(manifest(seed=True), "seed is True, not int", id="a flag is no number"),
        pytest.param(manifest(version=2), "version 2; this zoo reads version 1", id="version"),
        pytest.param(manifest(status="done"), "status 'done'; there are: running", id="status"),
        pytest.param(manifest(command="python"), "command is 'python', not list", id="list"),
        pytest.param(manifest(resumed=[{"time": "t"}]), r"resumed\[\] lacks 'step'", id="item"),
        pytest.param(manifest(data={}), "data lacks", id="nested"),
        pytest.param([], "version None", id="no mapping"),
    ],
)
def test_what_does_not_fit_is_named(value, sentence):
    with pytest.raises(ZooError, match=sentence):
        check(value, "m")


def test_it_is_checked_when_written_and_nothing_is_left(tmp_path):
    with pytest.raises(ZooError, match="seconds"):
        write_manifest(manifest(seconds="long"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_other_commands_leave_the_directory_of_a_training_alone(tmp_path):
    refuse_training(tmp_path)
    (tmp_path / "manifest.json").write_text('{"version": 1, "rules": "coco"}')  # of an evaluation
    refuse_training(tmp_path)
    write_manifest(manifest(), tmp_path)
    with pytest.raises(ZooError, match=r"holds a training, .* name another hydra\.run\.dir"):
        refuse_training(tmp_path)


def test_an_edited_config_is_noticed(tmp_path):
    write_manifest(manifest(), tmp_path)
    file = tmp_path / "manifest.json"
    edited = json.loads(file.read_text())
    edited["config"]["epochs"] = 3
    file.write_text(json.dumps(edited))
    with pytest.raises(ZooError, match="config_sha256 is not that of its config"):
        read_manifest(tmp_path)


def test_the_order_of_keys_changes_no_config():
    assert config_sha256({"a": 1, "b": {"c": 2, "d": 3}}) == config_sha256(
        {"b": {"d": 3, "c": 2}, "a": 1}
    )


def test_half_a_manifest_is_damaged(tmp_path):
    write_manifest(manifest(), tmp_path)
    file = tmp_path / "manifest.json"
    file.write_text(file.read_text()[:100])
    with pytest.raises(ZooError, match="is damaged"):
        read_manifest(tmp_path)
