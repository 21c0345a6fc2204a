"""What a log says of an epoch."""

import io

import pytest
from rich.console import Console

from zoo.training.progress import TrainingProgress


@pytest.mark.parametrize(
    ("logs", "said"),
    [
        pytest.param({"val_AP": 0.25, "val_AP50": 0.5, "val_APs": 0.1},
                     "epoch 1/2  loss 1.000  val_AP 0.250  val_AP50 0.500  0.0", id="detector"),
        pytest.param({"val_top1": 0.75, "val_top5": 1.0},
                     "epoch 1/2  loss 1.000  val_top1 0.750  val_top5 1.000  0.0", id="classifier"),
    ],
)  # fmt: skip
def test_the_scores_of_an_epoch(logs, said):
    written = io.StringIO()
    progress = TrainingProgress(2, 4, 8, console=Console(file=written, width=200))
    progress.set_params({})
    progress.on_train_begin()
    progress.on_epoch_begin(0)
    progress.on_epoch_end(0, {"loss": 1.0, **logs})
    progress.on_train_end()
    assert written.getvalue().startswith(said)


def test_names_are_no_markup(capsys):
    progress = TrainingProgress(2, 4, 8)
    progress.set_params({})
    progress.on_train_begin()
    progress.on_epoch_begin(0)
    progress.on_epoch_end(0, {"loss": 1.0, "[/x]_loss": 2.0})
    progress.on_train_end()
    assert "[/x] 2.000" in capsys.readouterr().out
