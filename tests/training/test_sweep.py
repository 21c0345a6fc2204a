"""Sweeps as a user types them: failed jobs, kills, and the same command again."""

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from polling import until

from zoo.errors import ZooError
from zoo.training.sweep import Sweep, note_failure, sweep_rows

TOY = str(Path(__file__).with_name("sweeping.py"))
TINY = [
    "data=shapes", "data.images=16", "data.held_out=4", "data.size=[64,64]", "image_size=64",
    "batch_size=4", "epochs=1", "tracker=none", "evaluation.max_candidates=64", "threads=1",
    "+model.backbone.stem=4", "+model.backbone.widths=[4,8,8]", "model.head.widths={P5:8,P4:8}",
    "checkpoint.every=1",
]  # fmt: skip
#: TPE learns from the third job on.
OPTUNA = ["+sweep=optuna", "hydra.sweeper.sampler.n_startup_trials=2"]


def run(*arguments, code=0, **environment):
    """Run the toy: standard output, standard error."""
    done = subprocess.run(
        [sys.executable, TOY, *arguments],
        capture_output=True, text=True, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, done.stderr


def table(directory):
    """The rows of sweep.csv by job."""
    with open(directory / "sweep.csv", newline="") as file:
        return {row["job"]: row for row in csv.DictReader(file)}


def starts(directory):
    """How often each job began to train."""
    files = sorted(directory.glob("*/starts"))
    return {file.parent.name: len(file.read_text().splitlines()) for file in files}


def overrides(directory):
    return {
        file.parts[-3]: file.read_text() for file in directory.glob("[0-9]/.hydra/overrides.yaml")
    }


def test_rows_tell_what_differs_how_it_ended_and_the_best_first(tmp_path):
    outcomes = [("metrics.json", {"AP": 0.1}), ("failed.json", {"error": "no\nmemory"}), None,
                ("metrics.json", {"AP": 0.25, "AR1": 0.3})]  # fmt: skip
    for number, outcome in enumerate(outcomes):
        (tmp_path / f"{number}" / ".hydra").mkdir(parents=True)
        lines = f"- seed={number}\n- epochs=1\n"
        (tmp_path / f"{number}" / ".hydra" / "overrides.yaml").write_text(lines)
        if outcome:
            (tmp_path / f"{number}" / outcome[0]).write_text(json.dumps(outcome[1]))
    assert sweep_rows(tmp_path) == [
        {"job": "3", "seed": "3", "status": "done", "AP": 0.25},
        {"job": "0", "seed": "0", "status": "done", "AP": 0.1},
        {"job": "1", "seed": "1", "status": "failed", "error": "no memory"},
        {"job": "2", "seed": "2", "status": "unfinished"},
    ]


def test_a_folder_that_holds_another_jobs_run_has_a_row_for_each(tmp_path):
    job = tmp_path / "0"
    (job / ".hydra").mkdir(parents=True)
    (job / ".hydra" / "overrides.yaml").write_text("- seed=7\n")
    (job / "manifest.json").write_text(json.dumps({"overrides": ["seed=0"], "status": "finished"}))
    (job / "metrics.json").write_text(json.dumps({"AP": 0.25}))
    (job / "wandb").mkdir()
    (job / "wandb" / "manifest.json").write_text("{}")  # no job
    done = {"job": "0", "status": "done", "AP": 0.25}
    assert sweep_rows(tmp_path) == [done]
    (job / "refused.json").write_text(json.dumps({"overrides": ["seed=7"], "error": "other run"}))
    failed = {"job": "0", "seed": "7", "status": "failed", "error": "other run"}
    assert sweep_rows(tmp_path) == [{**done, "seed": "0"}, failed]


def test_a_failure_of_another_job_is_none_of_the_one_under_way(tmp_path):
    (tmp_path / "0" / ".hydra").mkdir(parents=True)
    (tmp_path / "0" / ".hydra" / "overrides.yaml").write_text("- seed=1\n")
    failed = {"overrides": ["seed=0"], "error": "nan"}
    (tmp_path / "0" / "failed.json").write_text(json.dumps(failed))
    assert sweep_rows(tmp_path) == [{"job": "0", "status": "unfinished"}]


def test_a_finished_run_is_not_marked_as_failed_by_a_job_in_its_place(tmp_path, capsys):
    done = {"overrides": ["seed=0"], "status": "finished"}
    (tmp_path / "manifest.json").write_text(json.dumps(done))
    hydra = OmegaConf.create({
        "runtime": {"output_dir": str(tmp_path)}, "overrides": {"task": ["seed=7"]},
        "job": {"num": 0},
    })  # fmt: skip
    note_failure(hydra, ZooError("cannot go on with seed=7, not 0"))
    assert not (tmp_path / "failed.json").exists()
    assert json.loads((tmp_path / "refused.json").read_text())["overrides"] == ["seed=7"]
    assert "error: job 0: cannot go on with seed=7" in capsys.readouterr().err


def test_classifiers_are_compared_by_top1(tmp_path):
    for number, scores in enumerate([{"top1": 0.5, "top5": 0.9}, {"top1": 0.75, "top5": 0.8}]):
        (tmp_path / f"{number}" / ".hydra").mkdir(parents=True)
        (tmp_path / f"{number}" / ".hydra" / "overrides.yaml").write_text(f"- seed={number}\n")
        (tmp_path / f"{number}" / "metrics.json").write_text(json.dumps(scores))
    assert sweep_rows(tmp_path) == [
        {"job": "1", "seed": "1", "status": "done", "top1": 0.75, "top5": 0.8},
        {"job": "0", "seed": "0", "status": "done", "top1": 0.5, "top5": 0.9},
    ]


def test_the_table_shows_lists_in_brackets(tmp_path, capsys):
    for number, value in enumerate(["[]", "[backbone]"]):
        (tmp_path / f"{number}" / ".hydra").mkdir(parents=True)
        (tmp_path / f"{number}" / ".hydra" / "overrides.yaml").write_text(f"- freeze={value}\n")
    sweep = Sweep()
    sweep.directory = tmp_path
    sweep.conclude()
    assert "[backbone]" in capsys.readouterr().out


def test_the_file_of_the_table_is_utf8_on_every_platform(tmp_path):
    for job, root in (("0", "Bögen"), ("1", "Kreise")):
        (tmp_path / job / ".hydra").mkdir(parents=True)
        lines = f"- data.root={root}\n"
        (tmp_path / job / ".hydra" / "overrides.yaml").write_text(lines, "utf-8")
    script = (
        "import sys, pathlib; from zoo.training.sweep import Sweep; sweep = Sweep(); "
        "sweep.directory = pathlib.Path(sys.argv[1]); sweep.conclude()"
    )
    ascii = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment = {**os.environ, **ascii, "PYTHONIOENCODING": "utf-8"}
    subprocess.run([sys.executable, "-c", script, tmp_path], env=environment, check=True)
    assert "Bögen" in (tmp_path / "sweep.csv").read_text("utf-8")


def test_failed_jobs_are_marked_the_others_finish_and_none_runs_twice(tmp_path):
    sweep = ["-m", "seed=0,1,2", f"hydra.sweep.dir={tmp_path}"]
    output, errors = run(*sweep, code=1, REFUSE="0", CRASH="1")
    assert "sweep in" in output
    assert "error: job 0: batch_size 64 is more than the 16 training images\n" in errors
    assert "FloatingPointError: nan" in errors
    rows = table(tmp_path)
    assert [rows[job]["status"] for job in "012"] == ["failed", "failed", "done"]
    assert rows["1"]["error"] == "FloatingPointError: nan"
    assert float(rows["2"]["AP"]) == pytest.approx(1 / 3.002, abs=1e-4)

    _, errors = run(*sweep, code=1)
    assert "error: job 0: failed before: batch_size 64 is more" in errors
    assert table(tmp_path) == rows
    assert starts(tmp_path) == {"0": 1, "1": 1, "2": 1}
    # One W&B group for all jobs.
    assert {file.read_text() for file in tmp_path.glob("*/starts")} == {f"{tmp_path}\n"}

    # Tried again on request; another job in its place is another job.
    (tmp_path / "0" / "failed.json").unlink()
    run("-m", "seed=0,4,2", f"hydra.sweep.dir={tmp_path}")
    assert starts(tmp_path) == {"0": 2, "1": 2, "2": 1}


def test_jobs_in_folders_of_folders_are_jobs_too(tmp_path):
    subdir = "hydra.sweep.subdir=jobs/${hydra.job.num}"
    run("-m", "seed=0,1", f"hydra.sweep.dir={tmp_path}", subdir, code=1, REFUSE="0 1")
    assert {job: row["status"] for job, row in table(tmp_path).items()} == {
        "jobs/0": "failed", "jobs/1": "failed",
    }  # fmt: skip


def test_without_hydras_own_files_there_is_a_table_and_a_status_too(tmp_path):
    where = [f"hydra.sweep.dir={tmp_path}", "hydra.output_subdir=null"]
    output, _ = run("-m", "seed=0,1", *where, code=1, REFUSE="0 1")
    assert "sweep in" in output
    assert [(row["seed"], row["status"]) for row in table(tmp_path).values()] == [
        ("0", "failed"), ("1", "failed"),
    ]  # fmt: skip


def test_a_mistake_of_a_single_run_is_still_one_sentence(tmp_path):
    directory = tmp_path / "1"
    _, errors = run(f"hydra.run.dir={directory}", code=2, REFUSE="1")
    assert errors == "error: batch_size 64 is more than the 16 training images\n"
    assert not (directory / "failed.json").exists()


@pytest.mark.slow
def test_a_study_killed_and_started_again_is_the_study_left_alone(tmp_path):
    study = [*OPTUNA, "hydra.sweeper.n_trials=5"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(*study, f"hydra.sweep.dir={whole}", code=1, CRASH="1")
    run(*study, f"hydra.sweep.dir={killed}", code=-signal.SIGKILL, CRASH="1", KILL="3")
    run(*study, f"hydra.sweep.dir={killed}", code=1)

    assert starts(killed) == {"0": 1, "1": 1, "2": 1, "3": 2, "4": 1}
    assert table(killed) == table(whole)
    assert [table(killed)[job]["status"] for job in "01234"].count("done") == 4
    assert overrides(killed) == overrides(whole)
    assert len(set(overrides(killed).values())) == 5
    # What Optuna's tools see.
    states = sqlite3.connect(killed / "study.db").execute("SELECT number, state FROM trials")
    assert dict(states) == {job: "FAIL" if job == 1 else "COMPLETE" for job in range(5)}


@pytest.mark.slow
def test_a_study_without_any_result_ends_in_a_sentence_and_a_table(tmp_path):
    arguments = ["hydra.sweeper.n_trials=1", f"hydra.sweep.dir={tmp_path}"]
    output, errors = run("+sweep=optuna", *arguments, code=2, REFUSE="0")
    assert errors.endswith("error: all jobs of the sweep failed, see above\n")
    assert "sweep in" in output
    assert table(tmp_path)["0"]["status"] == "failed"


@pytest.mark.longest
def test_eight_trainings_one_failing_killed_once_and_started_again(tmp_path):
    (tmp_path / "2" / "metrics.jsonl").mkdir(parents=True)  # job 2 cannot write its journal
    command = [sys.executable, "-m", "zoo.train", *TINY, *OPTUNA, "hydra.sweeper.n_trials=8",
               f"hydra.sweep.dir={tmp_path}"]  # fmt: skip
    process = subprocess.Popen(command)
    until(lambda: list(tmp_path.glob("4/checkpoints/step-000000002-*")), process, seconds=3600)
    process.kill()
    process.wait()
    finished = ["0", "1", "3"]
    before = {job: (tmp_path / job / "manifest.json").read_bytes() for job in finished}

    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 1, again.stdout + again.stderr
    rows = table(tmp_path)
    assert [rows[str(job)]["status"] for job in range(8)] == ["done"] * 2 + ["failed"] + [
        "done"
    ] * 5
    assert {job: (tmp_path / job / "manifest.json").read_bytes() for job in finished} == before
    manifests = {job: json.loads((tmp_path / job / "manifest.json").read_text()) for job in rows}
    # Job 4 went on from a checkpoint, no other was started twice.
    assert [job for job in sorted(rows) if manifests[job]["resumed"]] == ["4"]
    assert len({manifest["id"] for manifest in manifests.values()}) == 8


@pytest.mark.slow
def test_two_trainings_side_by_side(tmp_path):
    command = [sys.executable, "-m", "zoo.train", "-m", *TINY, "batch_size=4,64",
               "hydra/launcher=joblib", "hydra.launcher.n_jobs=2",
               f"hydra.sweep.dir={tmp_path}"]  # fmt: skip
    found = []
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 1, done.stdout + done.stderr
        found.append((table(tmp_path), (tmp_path / "0" / "manifest.json").read_bytes()))
    rows, _ = found[0]
    assert [rows[job]["status"] for job in "01"] == ["done", "failed"]
    assert "batch_size 64 is more than the 16 training images" in rows["1"]["error"]
    assert found[1] == found[0]
