"""What a log says of an epoch."""

import io
from contextlib import closing
from types import SimpleNamespace

import pytest
from rich.console import Console

from zoo.training import progress
from zoo.training.progress import TrainingProgress


@pytest.mark.parametrize(
    ("logs", "said"),
    [
        pytest.param({"val_AP": 0.25, "val_AP50": 0.5, "val_APs": 0.1},
                     "epoch 1/2  loss 1.000  val_AP 0.250  val_AP50 0.500\n", id="detector"),
        pytest.param({"val_AP": -1.0, "val_AP50": -1.0},
                     "epoch 1/2  loss 1.000  val_AP –  val_AP50 –\n", id="nothing to measure"),
        pytest.param({"val_top1": 0.75, "val_top5": 1.0},
                     "epoch 1/2  loss 1.000  val_top1 0.750  val_top5 1.000\n", id="classifier"),
    ],
)  # fmt: skip
def test_the_scores_of_an_epoch_and_no_speed_without_a_batch(logs, said):
    written = io.StringIO()
    bar = TrainingProgress(2, 4, 8, console=Console(file=written, width=200))
    bar.set_params({})
    bar.on_train_begin()
    bar.on_epoch_begin(0)
    bar.on_epoch_end(0, {"loss": 1.0, **logs})
    bar.on_train_end()
    assert written.getvalue() == said


def test_the_time_left_is_told_by_the_updates_of_this_process(monkeypatch):
    """Two updates of ten seconds after six that were made before: four of twelve are left."""
    clock, written = SimpleNamespace(now=0.0), io.StringIO()
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock.now))
    console = Console(file=written, width=200)
    monkeypatch.setattr(progress, "QUIET_SECONDS", 5)
    bar = TrainingProgress(3, 4, 8, done=6, console=console)
    bar.set_params({})
    bar.on_train_begin()
    bar.on_epoch_begin(1)
    for batch in range(2):
        clock.now += 10
        bar.on_train_batch_end(batch, {"loss": 1.0})
    bar.on_epoch_end(1, {"loss": 1.0})
    bar.on_train_end()
    assert written.getvalue().split("\n")[:3] == [
        "epoch 2 step 3/4  loss 1.000  0.8 images/s",
        "epoch 2 step 4/4  loss 1.000  0.8 images/s",
        "epoch 2/3  loss 1.000  0.8 images/s  0:40 left",
    ]


@pytest.mark.parametrize(
    ("seconds", "said"), [(59.4, "0:59"), (61, "1:01"), (3599.6, "1:00:00"), (7384, "2:03:04")]
)
def test_a_time_in_hours_minutes_and_seconds(seconds, said):
    assert progress._clock(seconds) == said


def test_the_terminal_has_its_cursor_again_however_training_ends():
    written = io.StringIO()
    bar = TrainingProgress(2, 4, 8, console=Console(file=written, force_terminal=True))
    bar.close()  # before it began
    with pytest.raises(KeyboardInterrupt), closing(bar):
        bar.on_train_begin()
        raise KeyboardInterrupt
    hidden, shown = "\x1b[?25l", "\x1b[?25h"
    assert (written.getvalue().count(hidden), written.getvalue().count(shown)) == (1, 1)


def test_names_are_no_markup(capsys):
    bar = TrainingProgress(2, 4, 8)
    bar.set_params({})
    bar.on_train_begin()
    bar.on_epoch_begin(0)
    bar.on_epoch_end(0, {"loss": 1.0, "[/x]_loss": 2.0})
    bar.on_train_end()
    assert "[/x] 2.000" in capsys.readouterr().out
