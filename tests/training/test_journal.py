import json

import keras
import numpy as np

from zoo.training.journal import Journal, appended, cut_back, sizes


class Halving(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.5 ** keras.ops.cast(step, "float32")


def test_a_line_every_two_updates_and_one_after_the_epoch(tmp_path):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(Halving()), loss="mse")
    model.fit(np.ones((5, 1)), np.ones((5, 1)), batch_size=1, verbose=0,
              callbacks=[Journal(tmp_path, every=2)])  # fmt: skip
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 5]
    # Updates 2, 4 and 5 were made with the rates of steps 1, 3 and 4.
    assert [line["learning_rate"] for line in lines] == [0.5, 0.125, 0.0625]
    assert [line.get("epoch_end", False) for line in lines] == [False, False, True]
    assert all(line["epoch"] == 1 and line["loss"] >= 0 for line in lines)


def test_files_are_cut_back_to_where_they_were(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("one\n")
    saved = sizes(tmp_path, ["metrics.jsonl", "history.csv"])
    assert saved == {"metrics.jsonl": 4}
    (tmp_path / "metrics.jsonl").write_text("one\ntwo\nth")
    (tmp_path / "history.csv").write_text("epoch\n")
    (tmp_path / "annotations.csv").write_text("stays")
    cut_back(tmp_path, {"history.csv": 0, **saved})
    assert (tmp_path / "metrics.jsonl").read_text() == "one\n"
    assert (tmp_path / "history.csv").read_text() == ""
    assert (tmp_path / "annotations.csv").read_text() == "stays"


def test_a_run_appends_to_its_journal_and_to_what_csv_loggers_write_beside_it(tmp_path):
    def logger(path):
        return {"_target_": "keras.callbacks.CSVLogger", "filename": str(path)}

    callbacks = {
        "beside": logger(tmp_path / "history.csv"), "elsewhere": logger(tmp_path / "a" / "b.csv"),
        "other": {"_target_": "keras.callbacks.TerminateOnNaN"},
    }  # fmt: skip
    assert appended(callbacks, tmp_path) == {"metrics.jsonl", "history.csv"}


def test_lost_lines_are_said(tmp_path, caplog):
    cut_back(tmp_path, {"metrics.jsonl": 10})
    assert "0 bytes, 10 at the checkpoint" in caplog.text
