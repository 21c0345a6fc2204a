"""A backbone learns to tell colours, and a detector starts from it."""

import contextlib
import json

import cv2
import numpy as np
import pytest

import zoo
from zoo import config
from zoo.data.sources import open_source
from zoo.errors import ZooError
from zoo.registry import TRACKERS
from zoo.training.run import detector_for, train
from zoo.training.task import task_of

BACKBONE = ["+model.backbone.stem=4", "+model.backbone.widths=[4,8,8]"]


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """32 red, green and blue pictures each for training, 4 for validation."""
    root, rng = tmp_path_factory.mktemp("colours"), np.random.default_rng(0)
    for split, count in (("train", 32), ("val", 4)):
        for channel, name in enumerate(("blue", "green", "red")):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                image = rng.integers(0, 100, (64, 64, 3)).astype(np.uint8)
                image[..., channel] += 150
                cv2.imwrite(str(root / split / name / f"{number}.png"), image)
    return root


def cfg(root, *overrides):
    words = [
        "recipe=pretrain", "model=yolov4_tiny", "data=folders", f"data.root={root}",
        "image_size=[64,64]", "batch_size=4", "subdivisions=1", "epochs=8", "tracker=none",
        "optimizer.learning_rate=0.02", "schedule=constant", "schedule.burn_in=4", "augment=flip",
        "evaluation.every=4", "ema=0.9", "threads=2", *BACKBONE, *overrides,
    ]  # fmt: skip
    return config.plain(config.compose("train", words))


@contextlib.contextmanager
def spy(*, directory, config, run_id):
    """A tracker that keeps what it finds when the run ends."""
    yield []
    names = ("manifest.json", "metrics.json", "best.keras", "report.html")
    found = {name: (directory / name).is_file() for name in names}
    status = json.loads((directory / "manifest.json").read_text())["status"]
    (directory / "found.json").write_text(json.dumps({**found, "status": status}))


@pytest.fixture(scope="module")
def run(colours, tmp_path_factory):
    directory = tmp_path_factory.mktemp("pretrained")
    with TRACKERS.temporarily("spy", spy):
        return directory, train({**cfg(colours), "tracker": {"name": "spy"}}, directory)


def test_a_tracker_ends_after_all_that_a_run_leaves(run):
    assert json.loads((run[0] / "found.json").read_text()) == {
        "manifest.json": True,
        "metrics.json": True,
        "best.keras": True,
        "report.html": True,
        "status": "finished",
    }


def test_it_learns_what_is_easy(run):
    directory, metrics = run
    assert metrics["top1"] > 0.9  # chance is a third
    assert metrics["top5"] == 1.0  # of three classes
    assert (directory / "report.html").is_file()


def test_the_detector_gets_every_array_of_the_backbone(run):
    directory, _ = run
    words = ["data=shapes", f"weights='{directory}'", "transfer=[backbone]", *BACKBONE]
    settings = config.plain(config.compose("train", words))
    detector = detector_for(settings, zoo.data.sources.open_source(settings["data"], "val"))
    ours = zoo.load(directory).get_layer("backbone").variables
    theirs = detector.get_layer("backbone").variables
    assert len(ours) == len(theirs) > 20
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_part_that_a_classifier_lacks_is_named(run):
    settings = config.plain(config.compose("train", [f"weights='{run[0]}'", *BACKBONE]))
    with pytest.raises(ZooError, match=r"has no neck; leave it out: transfer=\[backbone\]"):
        detector_for(settings, zoo.data.sources.open_source(settings["data"], "val"))


def test_validation_data_with_several_boxes_are_refused_too(colours):
    settings = config.plain(config.compose("train", ["data=shapes"]))
    sources = {
        "train": open_source(cfg(colours)["data"], "train"),
        "val": open_source(settings["data"], "val"),
    }
    with pytest.raises(ZooError, match=r"of split 'val' has \d+ boxes; a classifier needs data"):
        task_of({"task": "classification"}).check({}, sources, None)


def test_data_with_several_boxes_are_refused(tmp_path):
    settings = config.plain(config.compose("train", ["task=classification", *BACKBONE]))
    with pytest.raises(ZooError, match="one class an image: data=folders or data=tfds_classes"):
        train(settings, tmp_path)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("+evaluation.resize=letterboxx", "no resize mode 'letterboxx'; did you mean letterbox?"),
        ("+evaluation.interpolation=cubic", "no resize interpolation 'cubic'"),
        ("+evaluation.image_size=[64,72]", r"image_size \[64, 72\]: height and width must be mul"),
        ("+evaluation.batchsize=3", "takes no 'batchsize'; did you mean batch_size?"),
        ("+evaluation.between=x", "takes no 'between'"),
    ],
)
def test_an_option_that_means_nothing_is_refused(colours, tmp_path, override, sentence):
    with pytest.raises(ZooError, match=sentence):
        train(cfg(colours, override), tmp_path)


def test_options_of_the_evaluation_reach_it(colours, monkeypatch, tmp_path):
    asked = []

    def noted(model, source, **options):
        asked.append(options)
        return {"top1": 0.5, "top5": 1.0}

    monkeypatch.setattr("zoo.training.callbacks.accuracy", noted)
    words = ["+evaluation.resize=letterbox", "+evaluation.image_size=[32,96]", "epochs=1"]
    train(cfg(colours, *words, "steps_per_epoch=1", "schedule.burn_in=0"), tmp_path)
    (options,) = asked
    del options["between"]
    assert options == {"batch_size": 4, "resize": "letterbox", "image_size": [32, 96]}


def test_an_unknown_task_gets_the_nearest(tmp_path):
    settings = config.plain(config.compose("train", ["task=clasification"]))
    with pytest.raises(ZooError, match=r"did you mean classification\?"):
        train(settings, tmp_path)


@pytest.mark.parametrize(
    ("task", "headline", "monitor"),
    [("detection", "AP", "val_AP50"), ("classification", "top1", "val_top1")],
)
def test_what_a_sweep_raises_and_what_the_best_weights_are_best_at(task, headline, monitor):
    found = task_of({"task": task})
    assert (found.headline, found.monitor) == (headline, monitor)
