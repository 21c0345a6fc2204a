import keras
import pytest
from manifests import CONFIG, manifest

from zoo.data.sources.shapes import Shapes
from zoo.errors import ZooError
from zoo.training.checkpoint import FOLDER, Checkpoint, save_checkpoint
from zoo.training.data_record import image_digests, summary
from zoo.training.manifest import config_sha256, read_manifest, write_manifest
from zoo.training.record import RunRecord
from zoo.training.resumption import (
    check_place,
    in_place,
    resume_point,
    stored_config,
)


@pytest.fixture
def run(tmp_path):
    """A run directory with a checkpoint after update 5."""
    write_manifest(manifest(), tmp_path)
    save_checkpoint(tmp_path / FOLDER, Checkpoint(5, {}, {}), keep=1)
    return tmp_path


def asked(run, **changes):
    return {**manifest()["config"], "resume": str(run), **changes}


def test_hydra_works_in_the_run_directory_and_leaves_its_files(run):
    assert in_place(["epochs=2", f"resume={run}"]) == [
        "epochs=2", f"resume={run}", f"hydra.run.dir={run}", "hydra.output_subdir=null",
    ]  # fmt: skip


@pytest.mark.parametrize("arguments", [[], ["resume=auto"], ["resume=/nowhere"], ["epochs=2"]])
def test_otherwise_arguments_stay_as_they_are(arguments):
    assert in_place(arguments) == arguments


def test_the_config_is_that_of_the_run(run):
    cfg = stored_config(asked(run, epochs=99, batch_size=99), [f"resume={run}"])
    assert (cfg["epochs"], cfg["batch_size"]) == (2, 4)
    assert cfg["resume"] == str(run)


def test_what_changes_no_number_may_change(run):
    cfg = asked(run, tracker={"name": "none"}, checkpoint={"every": "1m", "keep": 9})
    found = stored_config(cfg, ["tracker=none", "checkpoint.keep=9", f"resume={run}"])
    assert found["tracker"] == {"name": "none"}
    assert found["checkpoint"] == {"every": "10m", "keep": 9}


def test_saying_the_same_again_is_no_change(run):
    stored_config(asked(run), ["epochs=2", f"resume={run}"])


@pytest.mark.parametrize(
    ("key", "word", "held"), [("devices", "all", 2), ("weights", "auto", "yolov4-tiny-coco")]
)
def test_a_word_that_the_run_replaced_by_what_it_stands_for_may_be_said_again(
    tmp_path, key, word, held
):
    config = {**manifest()["config"], "model": {"name": "yolov4_tiny"}}

    def gone_on_with(held):
        stored = {**config, key: held}
        write_manifest(manifest(config=stored, config_sha256=config_sha256(stored)), tmp_path)
        asked = {**config, key: word, "resume": str(tmp_path)}
        return stored_config(asked, [f"{key}={word}", f"resume={tmp_path}"])

    assert gone_on_with(held)[key] == held
    with pytest.raises(ZooError, match=f"{key}={word}, not None"):
        gone_on_with(None)


def test_a_preset_of_another_model_is_not_that_of_auto(tmp_path):
    stored = {**manifest()["config"], "model": {"name": "yolov4_tiny"}, "weights": "yolov4-coco"}
    write_manifest(manifest(config=stored, config_sha256=config_sha256(stored)), tmp_path)
    with pytest.raises(ZooError, match="weights=auto, not yolov4-coco"):
        stored_config(
            {**stored, "weights": "auto", "resume": str(tmp_path)},
            ["weights=auto", f"resume={tmp_path}"],
        )


def test_what_would_change_a_number_is_refused_by_name(run):
    with pytest.raises(ZooError, match="epochs=9, not 2"):
        stored_config(asked(run, epochs=9), ["epochs=9", f"resume={run}"])


def test_a_run_that_was_copied_keeps_to_its_own_directory(run):
    config = {**CONFIG, "callbacks": {"csv": {"filename": "/old/run/a/h.csv", "separator": ";"}}}
    config["data"] = {"root": "/old/runs", "more": ["/old/run", "/old/run/b"]}
    facts = manifest(config=config, config_sha256=config_sha256(config))
    write_manifest({**facts, "directory": "/old/run"}, run)
    found = stored_config(asked(run), [f"resume={run}"])
    assert found["callbacks"]["csv"] == {"filename": f"{run}/a/h.csv", "separator": ";"}
    assert found["data"] == {"root": "/old/runs", "more": [str(run), f"{run}/b"]}
    assert resume_point(found, run).step == 5
    write_manifest(facts, run)  # an older one does not say where it began
    assert stored_config(asked(run), [f"resume={run}"])["callbacks"] == config["callbacks"]


def test_auto_compares_all(run):
    assert resume_point(asked(run, resume="auto"), run).step == 5
    other = asked(run, resume="auto", optimizer={"name": "sgd", "learning_rate": 0.5})
    with pytest.raises(ZooError, match=r"optimizer\.learning_rate=0\.5, not 0\.1"):
        resume_point(other, run)


@pytest.mark.parametrize(
    ("key", "value"),
    [("seed", 4), ("batch_size", 8), ("data", {"name": "yolo", "root": "cells"}), ("ema", 0.9)],
)
def test_what_changes_a_number_may_not_change(run, key, value):
    with pytest.raises(ZooError, match=f"cannot go on with {key}"):
        resume_point(asked(run, resume="auto", **{key: value}), run)


def test_auto_starts_where_nothing_is(tmp_path):
    assert resume_point(asked(tmp_path, resume="auto"), tmp_path) is None


def test_a_run_is_not_overwritten(run):
    with pytest.raises(ZooError, match="holds a run; resume=auto goes on"):
        resume_point(asked(run, resume=None), run)


def test_a_finished_run_is_not_overwritten_without_its_checkpoints_either(tmp_path):
    write_manifest(manifest(status="finished"), tmp_path)
    with pytest.raises(ZooError, match="holds a run that is finished; remove it, another hydra"):
        resume_point(asked(tmp_path, resume=None), tmp_path)
    with pytest.raises(ZooError, match="epochs=9, not 2"):
        resume_point(asked(tmp_path, resume="auto", epochs=9), tmp_path)


@pytest.mark.parametrize("resume", [None, "auto"])
def test_a_run_stopped_before_its_first_checkpoint_starts_over(tmp_path, caplog, resume):
    write_manifest(manifest(status="interrupted"), tmp_path)
    with caplog.at_level("INFO"):
        assert resume_point(asked(tmp_path, resume=resume), tmp_path) is None
    assert f"the run in {tmp_path} has no checkpoint: it starts over" in caplog.text


def test_no_run_there():
    with pytest.raises(ZooError, match="no run in /nowhere"):
        stored_config({"resume": "/nowhere"}, [])


@pytest.mark.parametrize("said", ["", "/manifest.json"])
def test_a_run_goes_on_in_its_own_directory(run, tmp_path_factory, said):
    check_place(f"{run}{said}", run)
    with pytest.raises(ZooError, match=rf"goes on in the directory of the run.* resume={run}, "):
        check_place(f"{run}{said}", tmp_path_factory.mktemp("other"))


@pytest.mark.parametrize("key", ["recipe=custom", "+recipe=custom", "recipe@x=custom"])
def test_a_key_that_sets_others_is_refused(run, key):
    with pytest.raises(ZooError, match="cannot go on with recipe=custom, not what it was"):
        stored_config(asked(run), [key, f"resume={run}"])


def record_of(run, sources=None, backend=None):
    """The record of a run that goes on after 5 batches and 100 seconds."""
    source = Shapes(split="train", images=2, held_out=2, size=(32, 32))
    told = summary(source, image_digests(source))
    data = {"class_names": source.class_names, "train": told, "val": told}
    backend = backend or keras.backend.backend()
    write_manifest(manifest(backend=backend, status="interrupted", data=data), run)
    facts = {"seconds": 100.0, "joules": None}
    sources = sources or {"train": source, "val": source}
    return RunRecord.of_resumed_run(run, sources, Checkpoint(5, {}, facts))


def test_a_run_that_goes_on_says_so_and_counts_the_time_before(tmp_path):
    record = record_of(tmp_path)
    found = read_manifest(tmp_path)
    assert found["status"] == "running" and [row["step"] for row in found["resumed"]] == [5]
    record.note()
    assert 100 <= read_manifest(tmp_path)["seconds"] < 160


def test_other_data_and_another_backend_are_refused(tmp_path):
    other = Shapes(split="val", held_out=2, size=(32, 32))
    with pytest.raises(ZooError, match=f"the data of {tmp_path} changed: the fingerprints differ"):
        record_of(tmp_path, {"val": other})
    with pytest.raises(ZooError, match=r"cannot go on with .*; set KERAS_BACKEND=numpy"):
        record_of(tmp_path, backend="numpy")


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt, "interrupted"), (ValueError, "failed")]
)
def test_how_a_run_ends_is_written_down(tmp_path, error, status):
    with pytest.raises(error), record_of(tmp_path).following():
        raise error
    assert read_manifest(tmp_path)["status"] == status
