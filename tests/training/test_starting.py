"""What a training does with its directory before the first update."""

import os
import signal

import keras
import pytest
from manifests import manifest

from zoo import config
from zoo.errors import ZooError
from zoo.registry import KINDS
from zoo.training import environment, record, run
from zoo.training.devices import alone_in
from zoo.training.interruption import Interrupted
from zoo.training.manifest import read_manifest, write_manifest
from zoo.training.optimizer import optimizer_of
from zoo.training.rate import rate_of

QUICK = [
    "data=shapes", "data.images=8", "data.held_out=2", "data.size=[64,64]", "image_size=[64,64]",
    "batch_size=2", "epochs=1", "steps_per_epoch=2", "tracker=none",
    "+model.backbone.stem=4", "+model.backbone.widths=[4,8,8]", "model.head.widths.P4=8",
    "~model.head.masks.P5", "~model.head.widths.P5",
]  # fmt: skip


def begin(monkeypatch, directory, *overrides):
    """Start a training that ends where its first update would begin: what `_fit` was given."""
    given = []

    def refuse(*args):
        given.extend(args)
        raise ZooError("no update is made here")

    monkeypatch.setattr(run, "_fit", refuse)
    with pytest.raises(ZooError, match="no update is made here"):
        run.train(config.plain(config.compose("train", [*QUICK, *overrides])), directory)
    return given


def test_what_others_keep_beside_a_run_stays(monkeypatch, tmp_path):
    (tmp_path / "annotations.csv").write_text("a,b\n")
    (tmp_path / "notes.jsonl").write_text("{}\n")
    (tmp_path / "metrics.jsonl").write_text("of a run that was killed\n")
    begin(monkeypatch, tmp_path)
    assert (tmp_path / "annotations.csv").read_text() == "a,b\n"
    assert (tmp_path / "notes.jsonl").read_text() == "{}\n"
    assert (tmp_path / "metrics.jsonl").read_text() == ""


def test_a_run_that_starts_over_with_clean_code_has_no_patch_of_an_earlier_start(
    monkeypatch, tmp_path
):
    clean = {"commit": "a", "dirty": False, "patch_sha256": None, "untracked": []}
    for module in (record, environment):
        monkeypatch.setattr(module, "code", lambda: (clean, b""))
    for name in ("changes.patch", "changes-4.patch"):
        (tmp_path / name).write_bytes(b"+1")
    begin(monkeypatch, tmp_path)
    assert not list(tmp_path.glob("*.patch"))


def test_the_bar_is_closed_however_fit_ends(monkeypatch, tmp_path):
    closed = []
    monkeypatch.setattr(run.TrainingProgress, "close", lambda bar: closed.append(bar))

    def fail(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(run.Detector, "fit", fail)
    with pytest.raises(KeyboardInterrupt):
        run.train(config.plain(config.compose("train", QUICK)), tmp_path)
    assert len(closed) == 1


def test_a_signal_while_a_run_concludes_stops_what_follows_it(monkeypatch, tmp_path):
    def conclude(*args):
        os.kill(os.getpid(), signal.SIGTERM)
        return {"AP": 0.5}

    monkeypatch.setattr(run, "_fit", lambda *args: None)
    monkeypatch.setattr(run, "_conclude", conclude)
    with pytest.raises(Interrupted, match=f"the run in {tmp_path} is finished") as stopped:
        run.train(config.plain(config.compose("train", QUICK)), tmp_path)
    assert stopped.value.status == 143
    assert read_manifest(tmp_path)["status"] == "finished"


def test_a_run_that_starts_over_draws_its_own_batches(monkeypatch, tmp_path):
    begin(monkeypatch, tmp_path)
    first = (tmp_path / "batches.png").read_bytes()
    begin(monkeypatch, tmp_path, "seed=1")
    assert (tmp_path / "batches.png").read_bytes() != first


def test_a_finished_run_answers_with_its_scores_though_its_checkpoints_are_gone(tmp_path):
    write_manifest(manifest(status="finished", metrics={"AP": 0.5}), tmp_path)
    cfg = {**manifest()["config"], "weights": None, "resume": "auto"}
    assert run.train(cfg, tmp_path) == {"AP": 0.5}
    assert (tmp_path / "report.html").is_file()  # it may have been killed before its report


def test_the_callbacks_of_the_config_are_followed_by_what_evaluates_a_run_they_end(
    monkeypatch, tmp_path
):
    early = "+callbacks.early={_target_: keras.callbacks.EarlyStopping, monitor: loss}"
    callbacks = begin(monkeypatch, tmp_path, early)[3]
    assert [type(callback).__name__ for callback in callbacks[-4:]] == [
        "EarlyStopping", "AtLeastOnce", "Journal", "TrainingProgress",
    ]  # fmt: skip


def test_averages_come_before_what_is_evaluated_and_saved(monkeypatch, tmp_path):
    callbacks = begin(monkeypatch, tmp_path, "ema=0.9")[3]
    assert [type(callback).__name__ for callback in callbacks[:4]] == [
        "Diverged", "SwapAverages", "Evaluation", "BestAndLast",
    ]  # fmt: skip


def test_a_schedule_is_of_the_updates_of_a_run():
    """Twenty updates of four batches along half a cosine wave from 0.1 to 0.02."""
    words = ["subdivisions=4", "schedule=cosine", "schedule.burn_in=0", "schedule.final=0.2",
             "optimizer.learning_rate=0.1", "ema=0.9"]  # fmt: skip
    settings = config.plain(config.compose("train", [*QUICK, *words]))
    optimizer = optimizer_of(settings, total_steps=80)
    assert rate_of(optimizer, 80) == pytest.approx(0.02)
    assert [rate_of(optimizer, batch) for batch in (37, 40)] == pytest.approx([0.06] * 2)
    assert optimizer.gradient_accumulation_steps == 4
    assert (optimizer.use_ema, optimizer.ema_momentum) == (True, 0.9)


def test_a_callback_that_sets_the_learning_rate_is_refused_at_the_start(tmp_path):
    plateau = "+callbacks.plateau={_target_: keras.callbacks.ReduceLROnPlateau, monitor: loss}"
    settings = config.plain(config.compose("train", [*QUICK, plateau]))
    with pytest.raises(ZooError, match=r"callbacks\.plateau: ReduceLROnPlateau .* schedule="):
        run.train(settings, tmp_path)


def test_two_trainings_do_not_share_a_directory(monkeypatch, tmp_path):
    with alone_in(tmp_path), pytest.raises(ZooError, match=f"another process trains in {tmp_path}"):
        run.train(config.plain(config.compose("train", QUICK)), tmp_path)
    begin(monkeypatch, tmp_path)  # the other one has ended


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("optimizer.learning_rate=fast", r"optimizer\.learning_rate='fast' must be a number"),
        ("optimizer.learning_rate=-1", r"optimizer\.learning_rate=-1 must be a number, at least 0"),
        ("optimizer.learning_rate=[1]", r"optimizer\.learning_rate=\[1\] must be a number"),
        ("~optimizer.learning_rate", r"optimizer\.learning_rate=None must be a number"),
        ("optimizer.momentum=[1]", r"optimizer 'sgd': momentum=\[1\] must be a number"),
        ("+optimizer.clipnorm=much", r"optimizer\.clipnorm='much' must be a number"),
        ("schedule.burn_in=soon", r"schedule 'cosine': burn_in='soon' must be a number"),
    ],
)
def test_an_optimizer_takes_numbers(tmp_path, override, sentence):
    settings = config.plain(config.compose("train", [*QUICK, override]))
    with pytest.raises(ZooError, match=sentence):
        run.train(settings, tmp_path)


def test_two_ways_to_clip_are_refused(tmp_path):
    both = ["+optimizer.clipnorm=1", "+optimizer.global_clipnorm=1"]
    settings = config.plain(config.compose("train", [*QUICK, *both]))
    with pytest.raises(ZooError, match="optimizer: Only one of `clipnorm`, `clipvalue`"):
        run.train(settings, tmp_path)


@pytest.mark.parametrize(
    ("burn_in", "total", "warnings"),
    [
        ("1000", 4 * 600, [
            "the learning rate rises for 1000 of the run's 600 updates (schedule.burn_in=1000); "
            "for a tenth of them set schedule.burn_in=0.1"
        ]),
        ("1000", 4 * 2001, []),
        ("0.5", 4 * 600, [
            "the learning rate rises for 300 of the run's 600 updates (schedule.burn_in=0.5); "
            "for a tenth of them set schedule.burn_in=0.1"
        ]),
        ("0.4", 4 * 600, []),
        ("1", 4, []),
    ],
)  # fmt: skip
def test_a_burn_in_of_half_the_run_is_warned_of(burn_in, total, warnings, caplog):
    words = ["subdivisions=4", "schedule=steps", f"schedule.burn_in={burn_in}"]
    optimizer_of(config.plain(config.compose("train", [*QUICK, *words])), total_steps=total)
    assert caplog.messages == warnings


def test_a_text_among_the_numbers_of_keras_own_optimizer_is_refused(tmp_path):
    words = [*QUICK, "optimizer=adamw", "+optimizer.beta_1=high"]
    settings = config.plain(config.compose("train", words))
    with pytest.raises(ZooError, match=r"optimizer\.beta_1='high' must be a number"):
        run.train(settings, tmp_path)


def test_an_optimizer_part_may_need_its_rate_and_take_words():
    def part(*, learning_rate: float, mode: str):
        return keras.optimizers.SGD(learning_rate, name=mode)

    settings = {"name": "needy", "learning_rate": 0.5, "mode": "fast"}
    cfg = config.plain(config.compose("train", QUICK))
    with KINDS["optimizer"].temporarily("needy", part):
        optimizer = optimizer_of({**cfg, "optimizer": settings}, total_steps=10)
    assert optimizer.name == "fast"


class Unsaved(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule without `get_config`."""

    def __init__(self, learning_rate, total_steps):
        pass

    def __call__(self, step):
        return 0.1


@pytest.mark.parametrize(
    ("kind", "part", "sentence"),
    [
        ("optimizer", lambda: None, "the optimizer of the config gives None, not a Keras Optim"),
        ("optimizer", lambda: "adam", "gives 'adam', not a Keras Optimizer"),
        ("schedule", lambda learning_rate, total_steps: len, "not a Keras LearningRateSchedule"),
        ("schedule", Unsaved, "schedule Unsaved cannot be saved: its get_config raises NotImpl"),
    ],
)
def test_a_part_that_gives_something_else_is_refused(kind, part, sentence):
    settings = config.plain(config.compose("train", QUICK))
    own = {"learning_rate": 0.1} if kind == "optimizer" else {}
    with KINDS[kind].temporarily("own", part), pytest.raises(ZooError, match=sentence):
        optimizer_of({**settings, kind: {"name": "own", **own}}, total_steps=4)
