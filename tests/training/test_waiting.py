"""How long updates wait for data, and who says so."""

import io
import itertools
import logging
import time

import grain
import keras
import numpy as np
import pytest
from rich.console import Console

from zoo.data.sources.shapes import Shapes
from zoo.data.training import TrainingSamples
from zoo.training import progress, waiting
from zoo.training.feeding import fit_batches
from zoo.training.progress import TrainingProgress
from zoo.training.tracking.callback import Tracking
from zoo.training.waiting import Timed, Waits


class Clock:
    """Goes on only when it is told to."""

    now = 0.0

    def perf_counter(self):
        return self.now

    monotonic = time = perf_counter


def slow(clock, seconds):
    def make(number):
        clock.now += seconds
        return number

    return grain.MapDataset.range(10).map(make).to_iter_dataset(
        grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
    )  # fmt: skip


def test_the_time_of_next_counts_and_nothing_else(monkeypatch):
    clock, waits = Clock(), Waits()
    monkeypatch.setattr(waiting, "time", clock)
    batches = iter(Timed(slow(clock, 2.0), waits))
    assert [next(batches), next(batches)] == [0, 1] and waits.seconds == 4.0
    clock.now += 100  # the update itself
    assert next(batches) == 2 and waits.seconds == 6.0


def test_a_position_can_be_gone_back_to():
    batches = iter(Timed(slow(Clock(), 0), Waits()))
    next(batches)
    state = batches.get_state()
    assert next(batches) == 1
    batches.set_state(state)
    assert next(batches) == 1


def test_batches_are_the_same_with_and_without():
    shapes = Shapes(split="train", images=8, size=(32, 32))
    samples = TrainingSamples(shapes, size=(32, 32), mode="stretch", batch_size=2)
    plain, timed = (fit_batches(samples, start=3, num_threads=2, waits=w) for w in (None, Waits()))
    for (x, y), (again, truth) in itertools.islice(zip(plain, timed, strict=False), 4):
        np.testing.assert_array_equal(x, again)
        np.testing.assert_array_equal(y["boxes"], truth["boxes"])


def test_fit_waits_for_a_slow_loader_on_this_backend():
    """Ten batches that take 20 ms each to make: at least that is counted; no upper bound."""

    def make(number):
        time.sleep(0.02)
        return np.ones((2, 2), np.float32), np.ones((2, 1), np.float32)

    waits = Waits()
    made = grain.MapDataset.range(30).map(make)
    batches = made.to_iter_dataset(grain.ReadOptions(num_threads=0, prefetch_buffer_size=0))
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(Timed(batches, waits), steps_per_epoch=10, verbose=0, shuffle=False)
    assert waits.seconds >= 10 * 0.02


def told(monkeypatch, *, waited):
    """The line of an epoch of two updates of ten seconds each, of which `waited` were waits."""
    clock, waits, text = Clock(), Waits(5.0), io.StringIO()
    monkeypatch.setattr(progress, "time", clock)
    bar = TrainingProgress(1, 2, 4, console=Console(file=text, width=200))
    bar.set_params({"epochs": 1, "steps": 2, "waits": waits} if waited is not None else {})
    bar.on_train_begin()
    bar.on_epoch_begin(0)
    for batch in range(2):
        clock.now += 10
        waits.seconds += (waited or 0) / 2
        bar.on_train_batch_end(batch, {"loss": 1.0})
    bar.on_epoch_end(0, {"loss": 1.0})
    bar.on_train_end()
    return text.getvalue()


@pytest.mark.parametrize(
    "waited, share, warns",
    [
        pytest.param(0.4, "waited for data 2 %", False, id="the model limits"),
        pytest.param(15.0, "waited for data 75 %", True, id="the data limit"),
    ],
)
def test_the_line_of_an_epoch_says_which_one_limits(monkeypatch, caplog, waited, share, warns):
    with caplog.at_level(logging.WARNING):
        text = told(monkeypatch, waited=waited)
    assert share in text and "0.4 images/s" in text
    assert ("the data, not the model, limit the speed" in caplog.text) == warns


def test_without_a_count_nothing_is_said(monkeypatch):
    assert "waited" not in told(monkeypatch, waited=None)


def test_the_tracker_has_the_share_beside_the_speed(monkeypatch, tmp_path):
    from zoo.training.tracking import callback

    clock, waits, rows = Clock(), Waits(), []
    monkeypatch.setattr(callback, "time", clock)
    run = type("Run", (), {"log": lambda self, row: rows.append(row)})()
    tracking = Tracking(run, tmp_path, every=2, batch_size=3)
    tracking.set_params({"waits": waits})
    monkeypatch.setattr(callback, "rate_of", lambda optimizer, batch: 0.1)
    model = keras.Sequential()
    model.compile("sgd")
    tracking.set_model(model)
    tracking.step = 0
    tracking.on_epoch_begin(0)
    for batch in range(4):
        clock.now += 4
        waits.seconds += batch  # 0 and 1 of eight seconds, then 2 and 3
        tracking.on_train_batch_end(batch, {})
    shares = [row["train/share_waiting_for_data"] for row in rows]
    assert shares == [1 / 8, 5 / 8]
    assert [row["train/images_per_second"] for row in rows] == [6 / 8] * 2


def test_a_line_tells_the_parts_that_a_loss_names():
    logs = {"loss": 3, "objectness_loss": 1, "class_loss": 0.5, "dfl_loss": 1.5, "val_AP": 0.2}
    assert progress._losses(logs) == "loss 3.000  obj 1.000  cls 0.500  dfl 1.500"
