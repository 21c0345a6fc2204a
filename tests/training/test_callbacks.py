from types import SimpleNamespace

import keras
import numpy as np
import pytest

import zoo
from zoo.errors import ZooError
from zoo.evaluation.save import LATEST
from zoo.training import run
from zoo.training.callbacks import AtLeastOnce, BestAndLast, Diverged, EarlyStop, Evaluation


def test_a_run_ends_at_the_first_loss_that_is_no_number():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    x = np.array([1, 1, np.nan, 1], "float32")[:, None]
    with pytest.raises(ZooError, match=r"at batch 13: .* lower optimizer\.learning_rate"):
        model.fit(x, x, batch_size=1, shuffle=False, verbose=0, callbacks=[Diverged(step=10)])


@pytest.mark.parametrize(("loss", "said"), [("nan", "not a number"), ("inf", "infinite")])
def test_an_infinite_loss_ends_it_at_the_last_batch_too(loss, said):
    with pytest.raises(ZooError, match=f"the loss is {said} at batch 1"):
        Diverged().on_train_batch_end(0, {"loss": float(loss)})


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


def test_the_best_weights_stay_until_a_higher_score(tmp_path):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    best = BestAndLast(tmp_path)
    best.set_model(model)
    epochs, kept, last, pictures = [], [], [], []
    for epoch, score in enumerate([0.5, 0.3, 0.5, None, 0.6]):
        model.layers[-1].kernel.assign([[float(epoch)]])
        picture = tmp_path / LATEST / "pictures" / f"worst-{epoch}.jpg"
        picture.parent.mkdir(parents=True, exist_ok=True)
        for old in picture.parent.iterdir():
            old.unlink()
        picture.write_bytes(b"")
        (tmp_path / LATEST / "evaluation.json").write_text(str(epoch))
        best.on_epoch_end(epoch, {} if score is None else {"val_AP50": score})
        epochs.append(best.best["epoch"])
        kept.append(((tmp_path / "best.keras").read_bytes(), best.best["sha256"]))
        last.append((tmp_path / "last.keras").read_bytes())
        shown = [file.name for file in (tmp_path / "pictures").iterdir()]
        pictures.append(((tmp_path / "evaluation.json").read_text(), shown))
    assert epochs == [1, 1, 1, 1, 5]
    assert kept[0] == kept[1] == kept[2] == kept[3]
    assert kept[4][0] != kept[0][0] and kept[4][1] != kept[0][1]
    assert len(set(last)) == 5
    assert pictures == [("0", ["worst-0.jpg"])] * 4 + [("4", ["worst-4.jpg"])]


def test_scores_are_of_the_weights_that_are_there_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "load", lambda _: keras.Sequential([keras.Input((1,))]))
    record = {"epoch": 3, "sha256": "of others", "metrics": {"AP": 0.5}}
    with pytest.raises(ZooError, match=r"best\.keras is not that of epoch 3, .*was it replaced"):
        run._conclude(None, BestAndLast(tmp_path, best=record), [], tmp_path)
    assert not (tmp_path / "metrics.json").exists()


def test_without_a_score_the_last_weights_are_the_best_and_patience_waits(tmp_path, caplog):
    """AP50 is −1 where no validation image has an object: none is better than another."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    best = BestAndLast(tmp_path)
    early = EarlyStop(best, patience=1)
    epochs = []
    for epoch, score in enumerate([-1.0, -1.0, -1.0, 0.0, -1.0]):
        model.stop_training = False
        for callback in (best, early):
            callback.set_model(model)
            callback.on_epoch_end(epoch, {"val_AP50": score})
        epochs.append((best.best["epoch"], model.stop_training))
    assert epochs == [(1, False), (2, False), (3, False), (4, False), (4, True)]
    assert caplog.text.count("no validation image has an object") == 1


def test_evaluation_is_every_so_many_epochs_and_at_the_end(tmp_path, monkeypatch):
    evaluation = Evaluation([], every=2, epochs=5, directory=tmp_path, between=lambda: None)
    monkeypatch.setattr(evaluation, "scores", lambda: {"AP": 0.5})
    found = [{} for _ in range(5)]
    for epoch, logs in enumerate(found):
        evaluation.on_epoch_end(epoch, logs)
    assert found == [{}, {"val_AP": 0.5}, {}, {"val_AP": 0.5}, {"val_AP": 0.5}]
