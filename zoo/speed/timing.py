"""Clocks: of a call that is repeated, and of stages that lie within one another."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np

#: Rounds before the clock starts: compilation, caches.
WARM_UP = 3


def milliseconds(call: Callable[[], object], *, rounds: int, warm_up: int = WARM_UP) -> list[float]:
    """How long a call takes, round by round, after some that do not count.

    Args:
        call: ends when its result is on the host.
        rounds: how often.
        warm_up: how often before.
    """
    seconds = []
    for _ in range(warm_up + rounds):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return [1000 * value for value in seconds[warm_up:]]


def spread(times: list[float]) -> dict[str, float]:
    """`median`, `p95`, `least` and `most` of some times."""
    return {
        "median": statistics.median(times),
        "p95": float(np.percentile(times, 95)),
        "least": min(times),
        "most": max(times),
    }


class Stopwatch:
    """Seconds by stage, `cpu` of the whole process and `wall`; for one thread.

    Time in a stage within another counts for the inner one alone, so that stages add up.
    """

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}
        self.wall: dict[str, float] = {}
        self._open: list[str] = []
        self._last = (0.0, 0.0)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of a block."""
        self._charge()
        self._open.append(name)
        try:
            yield
        finally:
            self._charge()
            self._open.pop()

    def _charge(self) -> None:
        now = (time.process_time(), time.perf_counter())
        if self._open:
            for total, end, start in zip((self.cpu, self.wall), now, self._last, strict=True):
                total[self._open[-1]] = total.get(self._open[-1], 0.0) + end - start
        self._last = now
