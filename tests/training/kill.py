"""Kill a tiny training again and again, resume it, and compare every bit with one left alone.

    python tests/training/kill.py --runs 50          # KERAS_BACKEND=jax for the other backend
    python tests/training/kill.py --short            # one run, two signals
    python tests/training/kill.py --short precision=mixed_float16      # any keys of conf/train.yaml

Each training is a fork of this process, which has imported everything and computed nothing. It
kills itself, for only it knows what it is doing: in an update, in a save, in an evaluation.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

# Compiling takes most of the time of so short a run; the numbers are none that anyone needs.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from tiny import TINY

from zoo import config
from zoo.training import callbacks, run, saving
from zoo.training.checkpoint import FOLDER, load_newest
from zoo.training.interruption import Interrupted
from zoo.training.manifest import read_manifest
from zoo.training.state import digest

UPDATE, SAVE, EVALUATION = "update", "save", "evaluation"
#: Where a training announces what it is about to do.
EVENTS = {
    UPDATE: (saving.Checkpoints, "on_train_batch_begin"),
    SAVE: (saving, "save_checkpoint"),
    EVALUATION: (callbacks, "evaluate"),
}


def attempt(cfg, directory, moment=None):
    """Train in a fork, in `directory`; the exit status, negative for a signal.

    `moment` is (event, how many times it may pass, seconds from then on, signal).
    """
    sys.stdout.flush()
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 70
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            if moment:
                arm(*moment)
            run.train(cfg, directory)
        status = 0
    except Interrupted as stop:
        status = stop.status
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def arm(event, passes, seconds, number):
    """Send this process the signal some time after the event."""
    owner, name = EVENTS[event]
    original, left = getattr(owner, name), [passes]

    def announced(*args, **kwargs):
        left[0] -= 1
        if left[0] < 0:
            threading.Timer(seconds, os.kill, (os.getpid(), number)).start()
            left[0] = 10**9
        return original(*args, **kwargs)

    setattr(owner, name, announced)


def evidence(directory):
    """All that must be equal: hashes of the state, of the history and of what users take away."""
    newest, manifest = load_newest(directory / FOLDER), read_manifest(directory)
    return {
        "status": manifest["status"],
        "step": newest.step,
        **{role: digest(newest.arrays, role) for role in ("weights", "optimizer", "metrics")},
        "history": hashlib.sha256((directory / "metrics.jsonl").read_bytes()).hexdigest(),
        "best": manifest["best"],
        "last": manifest["last_sha256"],
        "scores": manifest["metrics"],
    }


#: Killed in a save while there is an older one, then asked to stop in an evaluation.
SHORT = [(SAVE, 1, 0.002, signal.SIGKILL), (EVALUATION, 0, 0.1, signal.SIGTERM)]
EXPECTED = [-signal.SIGKILL, 128 + signal.SIGTERM, 0]


def some_moment(chance):
    """A moment at random: which event, how late, and up to a few milliseconds into it."""
    event = chance.choice([UPDATE, SAVE, EVALUATION])
    passes = chance.randrange({UPDATE: 8, SAVE: 4, EVALUATION: 2}[event])
    seconds = chance.random() * {UPDATE: 0.02, SAVE: 0.02, EVALUATION: 0.5}[event]
    return event, passes, seconds, signal.SIGKILL


def interrupted(cfg, directory, moments):
    """Train with one signal after another, then to the end; the statuses of all attempts."""
    statuses = [attempt(cfg, directory, moment) for moment in moments]
    statuses.append(attempt(cfg, directory))
    if statuses[-1]:
        raise SystemExit(f"the run failed with status {statuses[-1]} when it went on")
    return statuses


def compare(cfg, directory, moments, expected):
    """Interrupt one run and print how it went; its statuses, and what is not equal."""
    begun = time.monotonic()
    statuses = interrupted(cfg, directory, moments)
    found = evidence(directory)
    unequal = [key for key in expected if found[key] != expected[key]]
    told = ", ".join(f"{event} {passes + 1}" for event, passes, *_ in moments)
    verdict = f"DIFFERENT: {', '.join(unequal)}" if unequal else "equal"
    seconds = time.monotonic() - begun
    print(f"{directory.name}: {told}: {statuses}: {verdict}, {seconds:.0f} s", flush=True)
    return statuses, unequal


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--kills", type=int, default=2, help="of each run, at most")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--short", action="store_true", help="one run, moments that are known")
    parser.add_argument("overrides", nargs="*", help="of tiny.py's config, as of zoo.train")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    cfg = config.plain(config.compose("train", [*TINY, *options.overrides]))
    different = killed = 0
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "alone"
        if attempt(cfg, alone):
            raise SystemExit("the run that is left alone failed")
        expected = evidence(alone)
        if options.short:
            statuses, unequal = compare(cfg, Path(folder) / "short", SHORT, expected)
            raise SystemExit(statuses != EXPECTED or bool(unequal))
        for number in range(options.runs):
            moments = [some_moment(chance) for _ in range(chance.randint(1, options.kills))]
            statuses, unequal = compare(cfg, Path(folder) / str(number), moments, expected)
            different += bool(unequal)
            killed += statuses.count(-signal.SIGKILL)
    print(f"{options.runs} runs, {killed} kills, {options.runs - different} equal to the bit")
    raise SystemExit(different > 0)


if __name__ == "__main__":
    main()
