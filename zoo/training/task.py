"""What a run trains: the few things in which detection and classification differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.classifier import BackboneClassifier
from zoo.data.anchors import warn_of_unfit_anchors
from zoo.data.geometry import check_resize
from zoo.data.sample import Source
from zoo.detector import PARTS, Detector
from zoo.errors import ZooError, nearest
from zoo.evaluation.classification import check_one_class_an_image, options_of
from zoo.evaluation.pictures import save_examples
from zoo.evaluation.run import check_options
from zoo.training.callbacks import Accuracy, Evaluation


@dataclass(frozen=True)
class Task:
    """One kind of training.

    Attributes:
        model: (config, class names) → the model, with fresh weights.
        parts: of that model, which may be filled or frozen.
        check: (config, data by split, model): refuses or warns of what does not fit.
        evaluation: the callback that scores it.
        headline: the score that a sweep raises.
        monitor: the score, in the logs, whose best weights are kept.
        show: (model, validation data, directory): pictures of what it has learnt.
    """

    model: Callable[[Mapping[str, Any], Sequence[str]], Any]
    parts: tuple[str, ...]
    check: Callable[[Mapping[str, Any], Mapping[str, Source], Any], None]
    evaluation: type[Evaluation]
    headline: str
    monitor: str
    show: Callable[[Any, Source, Path], None]


def task_of(cfg: Mapping[str, Any]) -> Task:
    """The task of a training config; detection where it names none.

    Raises:
        ZooError: there is no such task; the nearest is suggested.
    """
    name = cfg.get("task", "detection")
    if name not in TASKS:
        raise ZooError(f"no task {name!r}; {nearest(name, TASKS)}")
    return TASKS[name]


def _model(cfg: Mapping[str, Any]) -> dict[str, Any]:
    return {**cfg["model"], "image_size": cfg["image_size"]}


def _check_detection(cfg: Mapping[str, Any], sources: Mapping[str, Source], detector: Any) -> None:
    check_options(detector, **_options(cfg))
    head, size = cfg["model"]["head"], detector.image_size
    warn_of_unfit_anchors(sources["train"], head, size, detector.resize)


def _check_classification(
    cfg: Mapping[str, Any], sources: Mapping[str, Source], model: Any
) -> None:
    for split, source in sources.items():
        check_one_class_an_image(source, where=f" of split {split!r}")
    options = options_of(_options(cfg))
    check_resize(options.get("resize") or model.resize, options.get("interpolation", "linear"))
    model.check_size(options.get("image_size") or model.image_size)


def _options(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """How an image is evaluated."""
    own = ("every", "batch_size")
    return {key: value for key, value in cfg["evaluation"].items() if key not in own}


def _examples(model: Any, source: Source, directory: Path) -> None:
    save_examples(model, source, directory / "examples.png")


TASKS = {
    "detection": Task(
        model=lambda cfg, names: Detector(_model(cfg), names),
        parts=PARTS,
        check=_check_detection,
        evaluation=Evaluation,
        headline="AP",
        monitor="val_AP50",
        show=_examples,
    ),
    "classification": Task(
        model=lambda cfg, names: BackboneClassifier(_model(cfg), names, cfg["label_smoothing"]),
        parts=("backbone",),
        check=_check_classification,
        evaluation=Accuracy,
        headline="top1",
        monitor="val_top1",
        show=lambda model, source, directory: None,
    ),
}
