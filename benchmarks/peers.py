"""Peers in processes of their own: each waits, blocked, while another has its turn.

This module needs the standard library alone, so that a peer's Python need not have zoo.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

#: Begins the lines that are meant for the process that asks; libraries print others.
MARK = "peer: "
#: Seconds between two turns: threads of OpenMP and OpenBLAS spin that long after their work.
PAUSE = 0.1


# === In the process that asks ===


class Peer:
    """A process that does a piece of work when it is told its name, and says how long it took.

    `facts` is what it says of itself at first; None if it has died of a missing library.
    """

    def __init__(self, command, **environment):
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **environment},
        )  # fmt: skip
        self.facts = self._answer()

    def _answer(self):
        for line in self.process.stdout:
            if line.startswith(MARK):
                return json.loads(line.removeprefix(MARK))
        return None

    def ask(self, name):
        """Seconds that the work called `name` took."""
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        seconds = self._answer()
        if seconds is None:
            raise RuntimeError(f"a peer died at {name!r}, exit status {self.process.wait()}")
        return seconds

    def close(self):
        """Let it end, and hear what it says at last."""
        self.process.stdin.close()
        last = self._answer()
        self.process.stdout.close()
        self.process.wait()
        return last


def turns(calls, *, rounds, warm_up=2):
    """Name → seconds of `rounds` calls, after some that do not count.

    In each round every call has one turn, in an order that is drawn anew.

    Args:
        calls: name → function that returns how long its work took, seconds.
        rounds: turns of each that count.
        warm_up: turns of each before.
    """
    seconds = {name: [] for name in calls}
    order, draw = list(calls), random.Random(0)
    for number in range(warm_up + rounds):
        draw.shuffle(order)
        for name in order:
            time.sleep(PAUSE)
            taken = calls[name]()
            if number >= warm_up:
                seconds[name].append(taken)
    return seconds


def once(command, **environment):
    """What a fresh process says in the end; {"absent": why} if it fails."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip
    said = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode == 0 and said:
        return json.loads(said[-1].removeprefix(MARK))
    return {"absent": (done.stderr.strip().splitlines() or ["it says nothing"])[-1]}


# === In the peer's process ===


def say(value):
    print(f"{MARK}{json.dumps(value)}", flush=True)


def serve(calls, facts, last=lambda: None, clock=time.perf_counter):
    """Do pieces of work on demand; `last` gives what there is to say in the end.

    With `clock=time.process_time` the seconds are those of all CPUs on this process alone.
    """
    say({**facts, "calls": list(calls)})
    for line in sys.stdin:
        say(timed(calls[line.strip()], clock))
    say(last())


def timed(call, clock=time.perf_counter):
    start = clock()
    call()
    return clock() - start


def memory_mib(field="VmHWM"):
    """The most memory that this process has used, or what it uses now (`VmRSS`), MiB; Linux.

    Not `ru_maxrss`, which is at least that of the process that has started this one.
    """
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"^{field}:\s*(\d+) kB$", status, re.MULTILINE)[1]) / 2**10
