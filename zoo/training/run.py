"""One training run, from a plain config to a trained detector and its scores."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import yaml

from zoo import config
from zoo.data.loader import clear_errors, loader
from zoo.data.sample import Source
from zoo.data.sources import open_source
from zoo.detector import Detector
from zoo.errors import ZooError
from zoo.evaluation.pictures import save_examples
from zoo.evaluation.report import print_metrics
from zoo.training.callbacks import Checkpoints, Evaluation, SwapAverages
from zoo.training.progress import TrainingProgress
from zoo.training.schedules.updates import PerUpdate
from zoo.training.transfer import freeze, transfer

log = logging.getLogger(__name__)


def train(cfg: Mapping[str, Any], directory: Path) -> dict[str, float]:
    """Train as `cfg` says (see `conf/train.yaml`) and leave everything in `directory`.

    Writes config.yaml, last.keras, best.keras, metrics.json and examples.png.

    Returns:
        The COCO numbers of the best checkpoint on the validation split.

    Raises:
        ZooError: something in the config or in the data does not fit.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.yaml").write_text(yaml.safe_dump(dict(cfg), sort_keys=False))
    keras.utils.set_random_seed(cfg["seed"])
    keras.mixed_precision.set_global_policy(cfg["precision"])

    sources = {split: open_source(cfg["data"], split) for split in ("train", "val")}
    if sources["train"].fingerprint == sources["val"].fingerprint:
        log.warning("training and validation images are the same: scores will tell nothing")
    detector = detector_for(cfg, sources["train"])
    batches = _batches(cfg, detector, sources["train"])
    steps = cfg["steps_per_epoch"] or len(sources["train"]) // cfg["batch_size"]
    if steps < 1:
        raise ZooError(
            f"batch_size {cfg['batch_size']} is more than the {len(sources['train'])} training "
            "images; lower it or set steps_per_epoch"
        )
    detector.compile(
        optimizer=_optimizer(cfg, total_steps=steps * cfg["epochs"]),
        # On a CPU XLA slows convolutions: there only the loss is compiled, by the detector.
        jit_compile=_on_accelerator(),
    )
    checkpoints = Checkpoints(directory)
    with _tracked(cfg, directory) as trackers, clear_errors():
        detector.fit(
            batches,
            epochs=cfg["epochs"],
            steps_per_epoch=steps,
            callbacks=[*_callbacks(cfg, sources["val"], checkpoints, steps), *trackers],
            verbose=0,
            shuffle=False,  # the loader has shuffled
        )
    return _conclude(checkpoints.metrics, sources["val"], directory)


def detector_for(cfg: Mapping[str, Any], source: Source) -> Detector:
    """The detector of the config for the classes of `source`, with its initial weights, frozen."""
    detector = Detector({**cfg["model"], "image_size": cfg["image_size"]}, source.class_names)
    if cfg["weights"]:
        import zoo

        parts = cfg["transfer"]
        report = transfer(detector, zoo.load(cfg["weights"]), parts)
        log.info("weights of %s: %s", cfg["weights"], report)
    freeze(detector, cfg["freeze"])
    log.info(
        "%s: %d classes, %s parameters, input %d×%d",
        detector.name,
        len(detector.class_names),
        f"{detector.count_params():,}",
        *detector.image_size,
    )
    return detector


def _batches(cfg: Mapping[str, Any], detector: Detector, source: Source) -> Any:
    data = cfg["data"]
    return loader(
        source,
        size=detector.image_size,
        mode=detector.resize,
        batch_size=cfg["batch_size"],
        max_boxes=data["max_boxes"],
        transforms=data["transforms"],
        seed=cfg["seed"],
        training=True,
    )


def _optimizer(cfg: Mapping[str, Any], *, total_steps: int) -> keras.Optimizer:
    settings = dict(cfg["optimizer"])
    rate = settings.pop("learning_rate")
    parts = cfg["subdivisions"]
    schedule = config.build(
        "schedule", cfg["schedule"], learning_rate=rate, total_steps=max(total_steps // parts, 1)
    )
    optimizer = config.build("optimizer", settings)
    optimizer.learning_rate = schedule if parts == 1 else PerUpdate(schedule, parts)
    optimizer.gradient_accumulation_steps = parts if parts > 1 else None
    if cfg["ema"]:
        optimizer.use_ema, optimizer.ema_momentum = True, cfg["ema"]
        optimizer.ema_overwrite_frequency = None
    return optimizer


def _callbacks(
    cfg: Mapping[str, Any], validation: Source, checkpoints: Checkpoints, steps: int
) -> list[keras.callbacks.Callback]:
    """Averages come first, so that they are what is evaluated and saved."""
    options = dict(cfg["evaluation"])
    evaluation = Evaluation(
        validation,
        every=options.pop("every"),
        epochs=cfg["epochs"],
        batch_size=cfg["batch_size"],
        **options,
    )
    return [
        *([SwapAverages()] if cfg["ema"] else []),
        evaluation,
        checkpoints,
        TrainingProgress(cfg["epochs"], steps, cfg["batch_size"]),
        *(config.instantiate(callback) for callback in cfg["callbacks"].values()),
    ]


def _tracked(cfg: Mapping[str, Any], directory: Path) -> Any:
    return config.build("tracker", cfg["tracker"], directory=directory, config=cfg)


def _conclude(metrics: dict[str, float], validation: Source, directory: Path) -> dict[str, float]:
    """Scores and pictures of the best checkpoint."""
    import zoo

    best = zoo.load(directory)
    (directory / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    save_examples(best, validation, directory / "examples.png")
    print_metrics(metrics, title=f"{best.name} on {len(validation)} validation images")
    log.info("run directory: %s", directory)
    return metrics


def _on_accelerator() -> bool | str:
    if keras.backend.backend() != "tensorflow":
        return "auto"
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU") or tf.config.list_physical_devices("TPU"))
