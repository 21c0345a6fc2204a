import keras
import numpy as np
import pytest

from zoo.training.history import CsvHistory


@pytest.fixture
def begin(tmp_path):
    """Function that begins or goes on with a run of two batches an epoch; gives its callback."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    model.fit(np.ones((1, 1)), np.ones((1, 1)), verbose=0)  # `metrics` are there from then on

    def started(done=0):
        callback = CsvHistory(str(tmp_path / "history.csv"))
        callback.set_model(model)
        callback.set_params({"steps": 2, "done": done, "scores": ("AP", "AP50")})
        callback.on_train_begin()
        return callback

    return started


def lines(directory):
    return (directory / "history.csv").read_text().splitlines()


def test_each_value_is_under_its_own_name_whichever_epochs_are_evaluated(begin, tmp_path):
    history = begin()
    history.on_epoch_end(0, {"loss": 2.5})
    history.on_epoch_end(1, {"val_AP": 0.25, "val_AP50": 0.5, "loss": 1.5, "lr": 9})
    assert lines(tmp_path) == ["epoch,loss,val_AP,val_AP50", "0,2.5,,", "1,1.5,0.25,0.5"]


@pytest.mark.parametrize(
    ("done", "kept"),
    [
        pytest.param(0, 0, id="a new run"),
        pytest.param(1, 0, id="in the first epoch"),
        pytest.param(2, 0, id="before the evaluation of the first epoch"),
        pytest.param(3, 1, id="in the second one"),
        pytest.param(4, 1, id="before its evaluation"),
    ],
)
def test_epochs_that_are_done_again_are_in_it_once(begin, tmp_path, done, kept):
    history = begin()
    for epoch in range(3):
        history.on_epoch_end(epoch, {"loss": epoch})
    whole = lines(tmp_path)
    history = begin(done)
    assert lines(tmp_path) == whole[: 1 + kept]
    for epoch in range(kept, 3):
        history.on_epoch_end(epoch, {"loss": epoch})
    assert lines(tmp_path) == whole


def test_the_table_of_keras_own_logger_is_gone_on_with(begin, tmp_path):
    (tmp_path / "history.csv").write_text("epoch,loss,val_loss\n0,2.5,NA\n1,9,NA\n")
    begin(done=4).on_epoch_end(1, {"loss": 1.5, "val_AP": 0.25})
    assert lines(tmp_path) == ["epoch,loss,val_AP,val_AP50", "0,2.5,,", "1,1.5,0.25,"]
