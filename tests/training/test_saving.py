"""`fit` with checkpoints, on a model small enough to train in the test."""

import errno
import itertools
import json
import os
import random
import signal
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from zoo.errors import ZooError
from zoo.training import saving
from zoo.training.callbacks import BestAndLast, EarlyStop, ShortEpoch, SwapAverages
from zoo.training.checkpoint import FOLDER, load_newest
from zoo.training.interruption import Interrupted, Interruption
from zoo.training.journal import Journal, cut_back
from zoo.training.saving import Checkpoints, Interval
from zoo.training.state import digest

EPOCHS, STEPS = 2, 4
DATA = np.random.default_rng(0).normal(size=(EPOCHS * STEPS, 3)).astype("float32")


class Stop(keras.callbacks.Callback):
    """A signal in an update, or in what comes after an epoch."""

    def __init__(self, *, update=None, epoch=None, number=signal.SIGTERM):
        super().__init__()
        self.update, self.epoch, self.number, self.seen = update, epoch, number, 0

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1
        if self.seen == self.update:
            os.kill(os.getpid(), self.number)

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            os.kill(os.getpid(), self.number)


class Evaluated(keras.callbacks.Callback):
    """Stands for an evaluation: sees the averages, and adds to the logs."""

    def on_epoch_end(self, epoch, logs=None):
        logs["val_norm"] = sum(float(np.sum(np.square(w))) for w in self.model.get_weights())


def train(directory, *others, every=100, keep=3):
    """Train, or go on; the model's digest at the end and the history."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    )
    optimizer = keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.5)
    model.compile(optimizer=optimizer, loss="mse", metrics=["mae"], run_eagerly=True)
    model.train_on_batch(DATA[:1], DATA[:1, :1])  # builds the metrics of `compile`
    keras.utils.set_random_seed(0)
    resumed = load_newest(directory / FOLDER)
    if resumed:
        cut_back(directory, resumed.facts["sizes"])
    interruption = Interruption()
    checkpoints = Checkpoints(
        directory, steps=STEPS, every=every, keep=keep, facts=dict, appended=["metrics.jsonl"],
        interruption=interruption, run=directory, resumed=resumed,
    )  # fmt: skip
    start = checkpoints.step
    journal = Journal(directory, every=1, step=start)
    short = ShortEpoch(-start % STEPS)
    checkpoints.siblings = keras.callbacks.CallbackList(
        [short, SwapAverages(), Evaluated(), journal, *others, keras.callbacks.History(),
         checkpoints], model=model, epochs=EPOCHS, steps=STEPS,
    )  # fmt: skip

    def batches():
        for number in itertools.count(start):
            row = DATA[number % len(DATA)]
            yield row[None], row[None, :1]

    with interruption.listening(), checkpoints.ending():
        model.fit(batches(), initial_epoch=start // STEPS, epochs=EPOCHS, steps_per_epoch=STEPS,
                  callbacks=checkpoints.siblings, verbose=0, shuffle=False)  # fmt: skip
    saved = load_newest(directory / FOLDER)
    return saved.step, digest(saved.arrays), (directory / "metrics.jsonl").read_text()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return train(tmp_path_factory.mktemp("alone"))


@pytest.mark.parametrize(
    "stop",
    [
        pytest.param({"update": 3}, id="within an epoch"),
        pytest.param({"update": 4}, id="the last update of an epoch"),
        pytest.param({"epoch": 0}, id="after an epoch"),
        pytest.param({"update": 6, "number": signal.SIGINT}, id="Ctrl-C within the last epoch"),
        pytest.param({"epoch": 1}, id="after the last epoch"),
    ],
)
def test_stopped_and_gone_on_with_it_ends_the_same(stop, alone, tmp_path):
    with pytest.raises(Interrupted, match=f"resume={tmp_path}") as stopped:
        train(tmp_path, Stop(**stop))
    assert stopped.value.status == 128 + stop.get("number", signal.SIGTERM)
    assert train(tmp_path) == alone


def test_stopped_between_two_updates_it_makes_and_saves_one_more(tmp_path):
    def between(batch, logs):
        if batch == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match="the last checkpoint is that of batch 3"):
        train(tmp_path, keras.callbacks.LambdaCallback(on_train_batch_begin=between))
    assert load_newest(tmp_path / FOLDER).step == 3


def test_what_plugins_draw_from_the_global_generators_goes_on(tmp_path_factory, tmp_path):
    def draws(directory, *others):
        drawn = []

        def draw(batch, logs):
            drawn.append((np.random.random(), random.random()))

        train(directory, keras.callbacks.LambdaCallback(on_train_batch_end=draw), *others)
        return drawn

    whole = draws(tmp_path_factory.mktemp("alone"))
    with pytest.raises(Interrupted):
        draws(tmp_path, Stop(update=6))
    assert draws(tmp_path) == whole[6:]


def early_stop():
    """Ends the run after its first epoch: the best weights were those of the start."""
    return EarlyStop(SimpleNamespace(best={"epoch": 0}, monitor="val_norm"), patience=1)


@pytest.mark.parametrize("stop", [{"update": 4}, {"epoch": 0}])
def test_a_run_that_ends_early_ends_there_when_it_is_gone_on_with(
    stop, alone, tmp_path_factory, tmp_path
):
    ended = train(tmp_path_factory.mktemp("alone"), early_stop())
    assert ended[0] == STEPS
    assert alone[2].startswith(ended[2])  # until there it is the same run
    with pytest.raises(Interrupted):
        train(tmp_path, Stop(**stop))
    assert train(tmp_path, early_stop()) == ended


@pytest.mark.parametrize(
    ("best", "epoch", "logs", "ends"),
    [
        pytest.param({"epoch": 2}, 5, {"val_AP50": 0.1}, False, id="epoch 5, 3 after the best"),
        pytest.param({"epoch": 2}, 6, {"val_AP50": 0.1}, True, id="epoch 6, 4 after the best"),
        pytest.param({"epoch": 2}, 7, {}, False, id="not without an evaluation"),
        pytest.param(None, 9, {"val_AP50": float("nan")}, False, id="not before there is a best"),
    ],
)
def test_patience_of_four_epochs(best, epoch, logs, ends):
    stop = EarlyStop(SimpleNamespace(best=best, monitor="val_AP50"), patience=4)
    stop.set_model(SimpleNamespace(stop_training=False))
    stop.on_epoch_end(epoch - 1, logs)
    assert stop.model.stop_training is ends


def test_the_history_has_each_update_once(alone):
    step, _, history = alone
    assert step == EPOCHS * STEPS
    lines = [json.loads(line) for line in history.splitlines()]
    assert [(line["step"], "val_norm" in line) for line in lines] == [
        (1, False), (2, False), (3, False), (4, False), (4, True),
        (5, False), (6, False), (7, False), (8, False), (8, True),
    ]  # fmt: skip


def test_a_full_disk_is_said_and_training_goes_on(alone, tmp_path, monkeypatch, caplog):
    saved, original = [], saving.save_checkpoint

    def full(*args, **kwargs):
        saved.append(1)
        if len(saved) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(saving, "save_checkpoint", full)
        step, *_ = train(tmp_path, every=2)
    assert step == 4
    assert f"batch 8 is not saved: No space left on device in {tmp_path}" in caplog.text
    assert "the last checkpoint is that of batch 4" in caplog.text
    assert train(tmp_path) == alone


def test_what_is_to_be_gone_on_with_is_the_run_and_no_scratch_folder(tmp_path):
    interruption = Interruption()
    Checkpoints(
        tmp_path, steps=STEPS, every=1, keep=3, facts=dict, appended=[],
        interruption=interruption, run="runs/a",
    )  # fmt: skip
    assert interruption.message.endswith("go on with: python -m zoo.train resume=runs/a")


def test_stopping_without_room_says_what_is_lost(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(saving, "save_checkpoint", full)
    with pytest.raises(Interrupted, match="there is no checkpoint yet"):
        train(tmp_path, Stop(update=2))


@pytest.mark.parametrize(
    ("every", "step", "over"),
    [
        pytest.param(3, 6, True, id="a multiple of 3 updates"),
        pytest.param(3, 7, False, id="not yet"),
        pytest.param("0.0000001m", 1, True, id="six microseconds are over"),
        pytest.param("10m", 10_000, False, id="ten minutes are not"),
    ],
)
def test_interval(every, step, over):
    interval = Interval(every)
    interval.since -= 1e-3
    assert interval.over(step) is over


def test_a_minute_has_sixty_seconds():
    assert Interval("1.5m").seconds == 90


def test_the_time_between_two_checkpoints_begins_with_each(tmp_path, monkeypatch):
    """Updates take 25 seconds: a minute is over after three, and an epoch has four."""
    clock, steps, original = SimpleNamespace(now=0.0), [], saving.save_checkpoint

    def save(folder, checkpoint, keep):
        steps.append(checkpoint.step)
        return original(folder, checkpoint, keep=keep)

    def update(batch, logs):
        clock.now += 25

    monkeypatch.setattr(saving, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(saving, "save_checkpoint", save)
    train(tmp_path, keras.callbacks.LambdaCallback(on_train_batch_end=update), every="1m")
    assert steps == [3, 4, 7, 8]


@pytest.mark.parametrize("every", ["10s", 0, "", "-1", None, "10.7", 1.5])
def test_no_interval(every):
    with pytest.raises(ZooError, match=r"checkpoint\.every="):
        Interval(every)


def test_swapping_averages_twice_gives_the_same_bits():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(50)])
    model.compile(optimizer=keras.optimizers.SGD(0.3, use_ema=True), loss="mse")
    model.fit(DATA, np.repeat(DATA[:, :1], 50, axis=1), batch_size=2, epochs=2, verbose=0)
    model.optimizer._model_variables_moving_average[0].assign(
        np.random.default_rng(1).normal(size=(3, 50)) * 1e4
    )
    before = model.get_weights()
    swap = SwapAverages()
    swap.set_model(model)
    swap.set_params({"epochs": 2})
    swap.on_epoch_end(-2)
    assert not np.array_equal(model.get_weights()[0], before[0])
    swap.on_epoch_begin(-1)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_what_is_saved_is_the_average_and_what_trains_is_not(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    model.compile(optimizer=optimizer, loss="mse")
    weights = []

    def remember(batch, logs):
        if keras.backend.backend() == "jax":
            model.jax_state_sync()  # within `fit` the variables are empty
        weights.append(model.get_weights()[0])

    record = keras.callbacks.LambdaCallback(on_train_batch_end=remember)
    callbacks = [record, SwapAverages(), BestAndLast(tmp_path)]
    model.fit(DATA, DATA[:, :1], batch_size=4, epochs=2, verbose=0, callbacks=callbacks)
    average = weights[0]
    for later in weights[1:]:
        average = 0.5 * average + 0.5 * later
    saved = keras.saving.load_model(tmp_path / "last.keras").get_weights()[0]
    np.testing.assert_allclose(saved, average, rtol=1e-5)
    assert not np.allclose(saved, weights[-1], rtol=1e-3)
