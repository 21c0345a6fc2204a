"""Stopping, going on and reproducing, as a user types it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import keras
import pytest
from manifests import manifest
from polling import until

from zoo import config, reproduce
from zoo.errors import ZooError
from zoo.training import environment
from zoo.training.comparison import verdicts
from zoo.training.manifest import read_manifest, write_manifest
from zoo.training.reproduction import config_again, finished_before, initial_changes

SMALL = [
    "image_size=[64,64]", "batch_size=4", "epochs=2", "steps_per_epoch=6", "tracker=none",
    "evaluation.max_candidates=64", "evaluation.every=1", "checkpoint.every=1", "callbacks=csv",
    "+model.backbone.stem=4", "+model.backbone.widths=[4,8,8]", "model.head.widths={P5:8,P4:8}",
]  # fmt: skip
SHAPES = ["data=shapes", "data.images=24", "data.held_out=4", "data.size=[64,64]"]


def command(name, *arguments):
    return [sys.executable, "-m", name, *SMALL * (name == "zoo.train"), *arguments]


def run(name, *arguments, code=0):
    done = subprocess.run(command(name, *arguments), capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_run_is_made_again_without_its_tracker_and_in_its_own_folder(tmp_path):
    cfg = config_again(manifest(), tmp_path, seed=7, data_root="/here")
    assert (cfg["seed"], cfg["data"]["root"], cfg["tracker"]) == (7, "/here", {"name": "none"})
    assert cfg["callbacks"]["csv"]["filename"] == str(tmp_path / "h.csv")
    assert manifest()["config"]["data"]["root"] == "cells"
    facts = manifest()
    facts["config"]["callbacks"]["csv"] |= {"filename": "h.csv", "separator": ";"}
    callback = config_again(facts, tmp_path, seed=7, data_root=None)["callbacks"]["csv"]
    assert (callback["filename"], callback["separator"]) == (str(tmp_path / "h.csv"), ";")


def test_seeds_beyond_the_greatest_are_refused_before_the_first_run(tmp_path):
    settings = {"seed": 2**32 - 2, "seeds": 3, "data_root": None, "tolerance": 0.1}
    with pytest.raises(ZooError, match="last of the seeds=4294967296: must be at most 4294967295"):
        reproduce.reproduce(tmp_path, manifest(), tmp_path, settings)


def test_other_initial_weights_of_one_seed_are_said():
    before = manifest(initial_weights={"name": None, "sha256": "a"})
    now = manifest(initial_weights={"name": None, "sha256": "b"})
    assert initial_changes(before, now) == ["sha256: a → b"]
    assert initial_changes(before, before) == []
    assert initial_changes(before, {**now, "seed": 4}) == []


def test_a_run_that_was_made_before_in_another_environment_is_said(tmp_path, monkeypatch):
    assert finished_before(tmp_path) == []
    resumed = [{"time": "t", "step": 8, "changed": ["code.commit: a → b"]}]
    facts = manifest(status="finished", backend=keras.backend.backend(), resumed=resumed)
    write_manifest(facts, tmp_path)
    monkeypatch.setattr(environment, "environment", lambda: {**facts["environment"], "python": "4"})
    (line,) = finished_before(tmp_path)
    assert "finished in another one (python: 3.11 → 4; from batch 8 on the run itself had" in line
    assert "code.commit: a → b); remove it to make it again" in line


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_keeps_the_work_of_a_reproduction(tmp_path):
    original, again = tmp_path / "run", tmp_path / "again"
    run("zoo.train", *SHAPES, f"hydra.run.dir={original}")
    words = ["zoo.reproduce", f"run={original}", f"hydra.run.dir={again}"]
    process = subprocess.Popen(
        command(*words), stderr=subprocess.PIPE, text=True, start_new_session=True,
        # Of tests in the background a shell has it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    until(lambda: list(again.glob("seed-0/checkpoints/step-000000002-*")), process)
    os.killpg(process.pid, signal.SIGINT)
    message = process.communicate()[1]
    assert process.returncode == 130
    assert "stopped" in message
    assert "Traceback" not in message
    assert read_manifest(again / "seed-0")["status"] == "interrupted"
    assert "verdict: identical" in run(*words)


def test_a_metric_without_objects_is_absent_from_the_table(capsys):
    metrics = {"AP": 0.25, "APl": -1.0}
    table = verdicts(metrics, [metrics, metrics], tolerance=0.01)
    found = {"run": "a", "runs": [1, 2], "metrics": table, "weights": "", "changed": {}}
    reproduce.print_result({**found, "verdict": "identical"})
    rows = [re.split(r"\s*│\s*", line)[1:-1] for line in capsys.readouterr().out.splitlines()]
    assert ["AP", "0.2500", "0.2500", "0.2500 ± 0.0000", "± 0.0000", "identical"] in rows
    assert ["APl", "–", "–", "–", "–", "identical"] in rows


@pytest.mark.slow
def test_terminated_gone_on_with_and_not_with_another_length(tmp_path):
    directory = tmp_path / "run"
    arguments = [*SHAPES, f"hydra.run.dir={directory}"]
    process = subprocess.Popen(command("zoo.train", *arguments), stderr=subprocess.PIPE, text=True)
    until(lambda: list(directory.glob("checkpoints/step-000000002-*")), process)
    process.send_signal(signal.SIGTERM)
    message = process.communicate()[1]
    assert process.returncode == 143
    assert f"go on with: python -m zoo.train resume={directory}" in message
    assert read_manifest(directory)["status"] == "interrupted"

    resume = [sys.executable, "-m", "zoo.train", "resume=run", "hydra.job.chdir=true"]
    refused = subprocess.run([*resume, "epochs=9"], capture_output=True, text=True, cwd=tmp_path)
    assert refused.returncode == 2
    assert "epochs=9, not 2" in refused.stderr
    subprocess.run([*resume, "checkpoint.keep=1"], check=True, cwd=tmp_path)
    found = read_manifest(directory)
    assert (found["status"], len(found["resumed"])) == ("finished", 1)
    assert len((directory / "history.csv").read_text().splitlines()) == 1 + 2
    assert "nothing to go on with" in run("zoo.train", *arguments, "resume=auto")
    assert "holds a run" in run("zoo.train", *arguments, code=2)


@pytest.mark.slow
def test_a_run_on_blood_cells_comes_out_again(data_dir, tmp_path):
    original, moved = tmp_path / "run", tmp_path / "elsewhere"
    shutil.copytree(data_dir / "bccd", moved)
    run("zoo.train", "data=voc", f"data.root={data_dir / 'bccd'}", f"hydra.run.dir={original}")

    def again(name, *arguments, code=0):
        text = run("zoo.reproduce", f"run={original}", *arguments,
                   f"hydra.run.dir={tmp_path / name}", code=code)  # fmt: skip
        return text, json.loads((tmp_path / name / "reproduction.json").read_text())

    text, result = again("same", f"data_root={moved}")
    assert "verdict: identical" in text
    assert (result["verdict"], result["weights"]) == ("identical", "identical")
    assert result["changed"]["data"] == []

    names = (moved / "ImageSets" / "Main" / "trainval.txt").read_text().split()
    label = moved / "Annotations" / f"{names[0]}.xml"
    text_of_label = label.read_text()
    xmin = text_of_label.split("<xmin>")[1].split("<")[0]
    label.write_text(text_of_label.replace(f"<xmin>{xmin}<", f"<xmin>{int(xmin) + 1}<", 1))
    text, result = again("label", f"data_root={moved}")
    assert f"data changed: train: labels changed: {names[0]}" in text

    text, result = again("seed", "seed=1", "seeds=2")
    assert "config changed: seed: 0 → 1" in text
    assert result["weights"] == "different"
    assert [row["seed"] for row in result["runs"]] == [1, 2]
    assert "interval" in result["metrics"]["AP"]


def test_an_unfinished_run_has_nothing_to_reproduce(tmp_path):
    write_manifest(manifest(status="interrupted"), tmp_path)
    text = run("zoo.reproduce", f"run={tmp_path}", f"hydra.run.dir={tmp_path / 'again'}", code=2)
    assert "is interrupted and has no metrics" in text
    assert f"python -m zoo.train resume={tmp_path}" in text


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("tolerance=abc", "tolerance=abc: must be a number at least 0"),
        ("tolerance=-1", "tolerance=-1: must be a number at least 0"),
        ("seed=abc", "seed=abc: must be a whole number, at least 0"),
        ("seed=-1", "seed=-1: must be a whole number, at least 0"),
        ("seeds=true", "seeds=True: must be a whole number, at least 1"),
    ],
)
def test_settings_are_checked_before_it_trains(override, sentence):
    settings = config.plain(config.compose("reproduce", ["run=a", override]))
    with pytest.raises(ZooError, match=sentence):
        reproduce.check_settings(settings)
    reproduce.check_settings(config.plain(config.compose("reproduce", ["run=a", "seed=7"])))


def test_the_command_checks_its_settings_first(tmp_path):
    write_manifest(manifest(status="finished", metrics={"AP": 0.5}), tmp_path)
    words = [f"run={tmp_path}", "tolerance=abc", f"hydra.run.dir={tmp_path / 'again'}"]
    text = run("zoo.reproduce", *words, code=2)
    assert "error: tolerance=abc: must be a number" in text
