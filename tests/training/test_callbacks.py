from types import SimpleNamespace

import keras
import numpy as np
import pytest

from zoo.errors import ZooError
from zoo.training.callbacks import AtLeastOnce, BestAndLast, Diverged


def test_a_run_ends_at_the_first_loss_that_is_no_number():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    x = np.array([1, 1, np.nan, 1], "float32")[:, None]
    with pytest.raises(ZooError, match=r"at batch 13: .* lower optimizer\.learning_rate"):
        model.fit(x, x, batch_size=1, shuffle=False, verbose=0, callbacks=[Diverged(step=10)])


def test_a_run_that_ends_before_its_first_evaluation_is_evaluated_there(tmp_path):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    best = BestAndLast(tmp_path)
    early = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=1000)
    scores = SimpleNamespace(scores=lambda: {"AP": 0.25, "AP50": 0.5})
    x = np.ones((2, 1), "float32")
    history = model.fit(
        x, x, epochs=9, verbose=0, callbacks=[best, early, AtLeastOnce(scores, best)]
    )
    assert len(history.epoch) == 2
    assert (best.best["epoch"], best.best["value"]) == (2, 0.5)
    assert best.best["metrics"] == {"AP": 0.25, "AP50": 0.5}
    assert (tmp_path / "best.keras").read_bytes()
