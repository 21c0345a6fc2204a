"""Interrupted trainings end with the bits of one that was left alone; see kill.py."""

import subprocess
import sys
from pathlib import Path

import keras
import pytest

HERE = Path(__file__).parent
#: The lane of JAX runs no slow tests.
SLOW_ON_TENSORFLOW = [pytest.mark.slow] if keras.backend.backend() == "tensorflow" else []


def script(name, *arguments):
    done = subprocess.run(
        [sys.executable, HERE / name, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("option", [pytest.param("--short", marks=SLOW_ON_TENSORFLOW)])
def test_killed_in_a_save_and_stopped_in_an_evaluation_a_run_ends_with_the_same_bits(option):
    assert "[-9, 143, 0]: equal" in script("kill.py", option)


@pytest.mark.slow
def test_three_runs_killed_at_random_end_with_the_same_bits():  # fifty are in `make kill-test`
    assert "3 equal to the bit" in script("kill.py", "--runs", "3")


@pytest.mark.longest  # and in `make kill-test`
def test_threads_do_not_count_and_seeds_do():
    assert script("reruns.py").splitlines()[-1] == "one hash for 7 runs of seed 0, another for 1"
