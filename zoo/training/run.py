"""One training run, from a plain config to a trained detector and its scores."""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any

import keras
import yaml

from zoo import building
from zoo.cards import preset_of
from zoo.config import override
from zoo.data.loader import clear_errors
from zoo.data.sample import Source
from zoo.data.sources import open_source
from zoo.data.training import TrainingSamples, training_samples
from zoo.detector import Detector
from zoo.errors import ZooError
from zoo.evaluation.report import print_metrics
from zoo.files import write_text
from zoo.ops.compile import accelerated
from zoo.report.page import FILE as REPORT
from zoo.report.page import write_report
from zoo.training.callbacks import (
    AtLeastOnce,
    BestAndLast,
    Diverged,
    EarlyStop,
    ShortEpoch,
    SwapAverages,
)
from zoo.training.checkpoint import Checkpoint
from zoo.training.classes import (
    check_classes,
    warn_of_empty_classes,
    warn_of_images_without_boxes,
)
from zoo.training.devices import Devices, devices_of
from zoo.training.feeding import fit_batches
from zoo.training.interruption import Interruption
from zoo.training.journal import Journal, appended, cut_back
from zoo.training.length import epochs, steps_of_an_epoch
from zoo.training.manifest import moved, read_manifest
from zoo.training.optimizer import optimizer_of
from zoo.training.preview import save_first_batches
from zoo.training.progress import TrainingProgress
from zoo.training.record import RunRecord
from zoo.training.replicated import sum_gradients_first
from zoo.training.resumption import is_finished, resume_point
from zoo.training.saving import Checkpoints
from zoo.training.settings import check_settings
from zoo.training.state import weights_sha256
from zoo.training.task import Task, task_of
from zoo.training.tracking.guard import Guarded
from zoo.training.transfer import check_parts, freeze, initialise
from zoo.training.waiting import Waits

log = logging.getLogger(__name__)

#: What a disk answers that takes no more.
DISK = (
    errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EDQUOT, errno.EFBIG, errno.EIO,
)  # fmt: skip


def train(cfg: Mapping[str, Any], directory: Path) -> dict[str, float]:
    """Train as `cfg` says (see `conf/train.yaml`) and leave everything in `directory`.

    Writes config.yaml, manifest.json, data.json, metrics.jsonl, checkpoints, last.keras,
    best.keras, metrics.json, evaluation.json with pictures, the same of the newest evaluation in
    latest, batches.png, examples.png, report.html, train.lock and, in a checkout with changes,
    changes.patch (docs/reproducibility.md). Of several processes the first one does.

    Returns:
        The scores of the best checkpoint (COCO's, or top1 and top5) on the validation split.

    Raises:
        ZooError: something in the config or in the data does not fit, another process trains in
            `directory`, or the disk is full.
        Interrupted: SIGTERM or Ctrl-C came; the state is saved.
    """
    if cfg["weights"] == "auto":
        cfg = {**cfg, "weights": preset_of(cfg["model"]["name"])}
    devices = devices_of(cfg)
    if cfg.get("devices"):
        cfg = {**cfg, "devices": devices.count}  # how many "all" were is part of the run
    try:
        with devices.place(directory) as place:
            resumed = resume_point(cfg, directory)
            if is_finished(directory):
                log.info("the run in %s is finished; nothing to go on with", directory)
                if not (place / REPORT).is_file():  # killed while it was being made
                    write_report(place)
                return read_manifest(directory)["metrics"]
            with devices.training():
                # What other processes than the first one write is thrown away.
                callbacks = moved(cfg["callbacks"], directory, place)
                return _train({**cfg, "callbacks": callbacks}, place, resumed, devices, directory)
    except OSError as error:
        if error.errno not in DISK:
            raise
        raise ZooError(
            f"cannot write in {directory}: {error.strerror}; when that is mended, go on with: "
            f"python -m zoo.train {override('resume', directory)}"
        ) from error


def _train(
    cfg: Mapping[str, Any], directory: Path, resumed: Checkpoint | None, devices: Devices, run: Path
) -> dict[str, float]:
    """`train`, writing into `directory`, which is `run` in the first process alone."""
    cfg, sources, detector, record = _prepared(cfg, directory, resumed, devices)
    task, steps = task_of(cfg), record.manifest["steps_per_epoch"]
    saved = dict.fromkeys(appended(cfg["callbacks"], directory), 0)
    if resumed and devices.process == 0:
        # What a callback appended that is left out by now, it may append again some day.
        saved |= resumed.facts["sizes"]
    cut_back(directory, saved)
    if not resumed:
        (directory / "batches.png").unlink(missing_ok=True)  # of a run that starts over
    best = BestAndLast(
        directory, monitor=task.monitor, best=resumed.facts["best"] if resumed else None
    )
    interruption = Interruption(devices.agree)
    with (
        record.following(),
        interruption.listening(),
        _tracked(cfg, record, devices) as trackers,
        clear_errors(),
    ):
        picture = directory / "batches.png"
        save_first_batches(cfg, sources["train"], picture, steps=steps, stride=detector.stride)
        checkpoints = _checkpoints(cfg, record, best, saved, interruption, run, resumed)
        callbacks = _callbacks(cfg, sources["val"], best, checkpoints)
        waits = Waits()
        samples = training_samples(cfg, sources["train"], steps=steps, stride=detector.stride)
        batches = _batches(cfg, samples, devices, checkpoints.step, waits)
        _fit(cfg, detector, batches, [*callbacks, *trackers], checkpoints, waits)
        # Before trackers end: they keep what a run leaves.
        metrics = _conclude(task, best, sources["val"], directory)
        record.note(
            status="finished", metrics=metrics, best=best.best, last_sha256=best.last_sha256
        )
        report = write_report(directory)
    log.info("report: %s", report)
    if interruption.came is not None:  # too late for the run, not for a sweep
        interruption.message = f"stopped; the run in {run} is finished"
        interruption.stop()
    return metrics


def _prepared(
    cfg: Mapping[str, Any], directory: Path, resumed: Checkpoint | None, devices: Devices
) -> tuple[dict[str, Any], dict[str, Source], Detector, RunRecord]:
    """The config with its number of epochs, the data by split, the model, and a record of the run.

    All that can be refused of them is refused here.
    """
    check_settings(cfg)
    task = task_of(cfg)
    directory.mkdir(parents=True, exist_ok=True)
    write_text(directory / "config.yaml", yaml.safe_dump(dict(cfg), sort_keys=False))
    keras.utils.set_random_seed(cfg["seed"])
    keras.mixed_precision.set_global_policy(cfg["precision"])

    sources = _sources(cfg)
    steps = steps_of_an_epoch(cfg, sources["train"])
    recorded, cfg = cfg, {**cfg, "epochs": epochs(cfg, sources["train"], steps=steps)}
    with devices.building():
        # A run that goes on takes its weights from the checkpoint.
        detector = detector_for({**cfg, "weights": None} if resumed else cfg, sources["train"])
        compile_detector(detector, cfg, total_steps=steps * cfg["epochs"], devices=devices)
    task.check(cfg, sources, detector)
    record = (
        RunRecord.of_resumed_run(directory, sources, resumed)
        if resumed
        else RunRecord.of_new_run(recorded, directory, sources, detector, steps)
    )
    warn_of_empty_classes(record.manifest["data"], cfg.get("task", "detection"))
    return cfg, sources, detector, record


def _sources(cfg: Mapping[str, Any]) -> dict[str, Source]:
    sources = {split: open_source(cfg["data"], split) for split in ("train", "val")}
    if sources["train"].fingerprint == sources["val"].fingerprint:
        log.warning("training and validation images are the same: scores will tell nothing")
    check_classes(sources)
    warn_of_images_without_boxes(cfg)
    return sources


def _fit(
    cfg: Mapping[str, Any],
    detector: Detector,
    batches: Any,
    callbacks: list[keras.callbacks.Callback],
    checkpoints: Checkpoints,
    waits: Waits,
) -> None:
    """`Model.fit`, from the batch after that of the checkpoint."""
    step, steps = checkpoints.step, checkpoints.steps
    checkpoints.siblings = keras.callbacks.CallbackList(
        [ShortEpoch(-step % steps), *callbacks, keras.callbacks.History(), checkpoints],
        model=detector, epochs=cfg["epochs"], steps=steps, done=step, waits=waits,
        scores=task_of(cfg).evaluation.names,
    )  # fmt: skip
    progress = [callback for callback in callbacks if isinstance(callback, TrainingProgress)]
    with checkpoints.ending(), closing(progress[0]):
        detector.fit(
            batches,
            initial_epoch=step // steps,
            epochs=cfg["epochs"],
            steps_per_epoch=steps,
            callbacks=checkpoints.siblings,
            verbose=0,
            shuffle=False,  # the loader has shuffled
        )


def detector_for(cfg: Mapping[str, Any], source: Source) -> Detector:
    """The detector of the config for the classes of `source`, with its initial weights, frozen.

    Raises:
        ZooError: a part of the config does not fit, or `transfer` or `freeze` names none.
    """
    task = task_of(cfg)
    check_parts("transfer", cfg["transfer"])
    detector = task.model(cfg, source.class_names)
    if cfg["weights"]:
        # A classifier takes the backbone alone of the parts that the key has by default.
        parts = [part for part in cfg["transfer"] if part in task.parts]
        report = initialise(detector, cfg["weights"], parts)
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


def compile_detector(
    detector: Detector, cfg: Mapping[str, Any], *, total_steps: int, devices: Devices
) -> None:
    """Give a detector its optimizer and decide what is compiled with XLA."""
    detector.compile(
        optimizer=optimizer_of(cfg, total_steps=total_steps),
        jit_compile=_whole_step(devices),
    )
    detector.optimizer.build(detector.trainable_variables)
    if devices.strategy:
        sum_gradients_first(detector.optimizer)


def _whole_step(devices: Devices) -> bool | str:
    """Whether XLA compiles the whole update, as Keras' `jit_compile`.

    On a CPU XLA slows convolutions: there only the loss is compiled, by the detector
    (`benchmarks/training.py` measures both). On TensorFlow it cannot compile for several devices at
    once. On JAX the choice is left to Keras, which compiles.
    """
    if keras.backend.backend() != "tensorflow":
        return "auto"
    return accelerated() and not devices.strategy


def _batches(
    cfg: Mapping[str, Any], samples: TrainingSamples, devices: Devices, start: int, waits: Waits
) -> Any:
    threads = {} if cfg["threads"] is None else {"num_threads": cfg["threads"]}
    return fit_batches(samples, start=start, devices=devices, waits=waits, **threads)


def _checkpoints(
    cfg: Mapping[str, Any],
    record: RunRecord,
    best: BestAndLast,
    files: Collection[str],
    interruption: Interruption,
    run: Path,
    resumed: Checkpoint | None,
) -> Checkpoints:
    def facts() -> dict[str, Any]:
        return {
            "run": record.manifest["id"],
            "best": best.best,
            "seconds": record.meter.seconds(),
            "joules": record.meter.joules(),
        }

    return Checkpoints(
        record.directory,
        steps=record.manifest["steps_per_epoch"],
        **cfg["checkpoint"],
        facts=facts,
        appended=files,
        interruption=interruption,
        run=run,
        resumed=resumed,
    )


def _callbacks(
    cfg: Mapping[str, Any], validation: Source, best: BestAndLast, checkpoints: Checkpoints
) -> list[keras.callbacks.Callback]:
    """Averages come first, so that they are what is evaluated and saved; what tells comes last.

    Raises:
        ZooError: one of the config's callbacks is none, or sets the learning rate.
    """
    options = dict(cfg["evaluation"])
    evaluation = task_of(cfg).evaluation(
        validation,
        every=options.pop("every"),
        epochs=cfg["epochs"],
        directory=checkpoints.directory,
        between=checkpoints.interruption.check,
        **{"batch_size": cfg["batch_size"], **options},
    )
    done, steps = checkpoints.step, checkpoints.steps
    return [
        Diverged(done),
        *([SwapAverages()] if cfg["ema"] else []),
        evaluation,
        best,
        *([EarlyStop(best, cfg["patience"])] if cfg.get("patience") else []),
        *(_of_the_config(name, callback) for name, callback in cfg["callbacks"].items()),
        AtLeastOnce(evaluation, best),
        Journal(checkpoints.directory, every=cfg["journal"], step=done),
        TrainingProgress(cfg["epochs"], steps, cfg["batch_size"], done=done),
    ]


def _of_the_config(name: str, cfg: Any) -> keras.callbacks.Callback:
    callback = building.instantiate(cfg)
    if not isinstance(callback, keras.callbacks.Callback):
        raise ZooError(
            f"callbacks.{name}: {type(callback).__name__} is no callback; name one of "
            "keras.callbacks as its _target_"
        )
    if isinstance(
        callback, keras.callbacks.ReduceLROnPlateau | keras.callbacks.LearningRateScheduler
    ):
        raise ZooError(
            f"callbacks.{name}: {type(callback).__name__} cannot set the learning rate, which "
            "follows the schedule; leave it out, and choose another one with schedule=…"
        )
    return callback


def _tracked(
    cfg: Mapping[str, Any], record: RunRecord, devices: Devices
) -> AbstractContextManager[list[keras.callbacks.Callback]]:
    """The tracker of the config, which of several processes the first one alone has."""
    if devices.process != 0:
        return nullcontext([])
    context = {"directory": record.directory, "config": cfg, "run_id": record.manifest["id"]}
    return Guarded(
        cfg["tracker"].get("name"), lambda: building.build("tracker", cfg["tracker"], **context)
    )


def _conclude(
    task: Task, kept: BestAndLast, validation: Source, directory: Path
) -> dict[str, float]:
    """Scores and pictures of the best weights.

    Raises:
        ZooError: best.keras does not have the weights that the scores are of.
    """
    import zoo

    best = zoo.load(directory)
    record: Any = kept.best  # not None: `AtLeastOnce` has seen to it
    if weights_sha256(best) != record["sha256"]:
        raise ZooError(
            f"{directory}/best.keras is not that of epoch {record['epoch']}, whose scores are the "
            "best; was it replaced?"
        )
    metrics = record["metrics"]
    write_text(directory / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    task.show(best, validation, directory)
    print_metrics(metrics, title=f"{best.name} on {len(validation)} validation images")
    return metrics
