import pytest

from zoo.speed import timing
from zoo.speed.timing import Stopwatch, milliseconds, spread


class Clock:
    """The processor works half of the time."""

    now = 0.0

    def perf_counter(self):
        return self.now

    def process_time(self):
        return self.now / 2


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    return clock


def test_rounds_to_warm_up_do_not_count(clock):
    seconds = iter([9, 8, 0.25, 0.5])

    def call():
        clock.now += next(seconds)

    assert milliseconds(call, rounds=2, warm_up=2) == [250, 500]


def test_spread_by_hand():
    found = spread([float(n) for n in range(1, 102)])
    assert found == {"median": 51, "p95": 96, "least": 1, "most": 101}


def test_stages_within_others_add_up(clock):
    watch = Stopwatch()
    clock.now += 5  # outside of any stage
    with watch.stage("outer"):
        clock.now += 2
        with watch.stage("inner"):
            clock.now += 10
        clock.now += 4
    with watch.stage("inner"):
        clock.now += 1
    assert watch.wall == {"outer": 6, "inner": 11}
    assert watch.cpu == {"outer": 3, "inner": 5.5}


def test_a_stage_that_fails_is_closed(clock):
    watch = Stopwatch()
    with pytest.raises(ValueError), watch.stage("a"):
        clock.now += 1
        raise ValueError
    clock.now += 1
    with watch.stage("b"):
        clock.now += 1
    assert watch.wall == {"a": 1, "b": 1}
