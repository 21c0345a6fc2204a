"""How fast one detector is: latency, throughput, memory, cold start."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import zoo
from zoo.deployment.fold import fold
from zoo.detector import Detector
from zoo.errors import ZooError
from zoo.exported import EVERYWHERE, ExportedDetector
from zoo.format.contract import format_of, refuse_cfg
from zoo.ranges import check_whole
from zoo.runtimes import loaded
from zoo.speed.cold import cold_start
from zoo.speed.timing import milliseconds, spread


def measure(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """A detector as `zoo.detect` runs it: batch normalisation folded, or in an exported file.

    Args:
        cfg: plain `conf/benchmark.yaml`: `preset`, `runtime`, `export_precision`, `batch_sizes`,
            `rounds`.

    Returns:
        `model`: its name; `runtime`: what ran it; `fixed_batch`: the one size of batches of a
        preset that is an exported file, whose throughput alone is measured, else None; `latency`:
        milliseconds of network, decoding and NMS of one image; `whole`: those from pixels of
        640×480 to boxes; `throughput`: images a second by batch size; `cold_start`: seconds from
        import to the first detection of a fresh process, and its peak memory, MiB.

    Raises:
        ZooError: there is no such model, it does not detect, it is a cfg without weights, or a
            number does not fit.
    """
    if cfg["preset"] is None:
        raise ZooError(
            "preset=… is missing: a preset, run directory, .keras file or exported model"
        )
    refuse_cfg(cfg["preset"])
    rounds, sizes = cfg["rounds"], cfg["batch_sizes"]
    check_whole("rounds", rounds, least=1)
    if not isinstance(sizes, list):
        raise ZooError(f"batch_sizes={sizes}: must be a list; write batch_sizes=[{sizes}]")
    for size in sizes:
        check_whole("batch_sizes", size, least=1)
    file, detector = opened(cfg, 1)
    fixed = None if format_of(Path(cfg["preset"])) is None else detector.batch_size
    picture = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    return {
        "model": detector.name,
        "runtime": format_of(Path(file)) or "keras",
        "fixed_batch": fixed,
        "latency": spread(milliseconds(network(detector, 1), rounds=rounds)),
        "whole": spread(milliseconds(lambda: detector.detect(picture), rounds=rounds)),
        "throughput": {
            # A file is exported for each size of batch; a model of Keras takes any.
            str(number): _images_per_second(
                detector if file == cfg["preset"] else opened(cfg, number)[1], number, rounds
            )
            for number in ([fixed] if fixed else sizes)
        },
        "cold_start": cold_start(file),
        "image_size": list(detector.image_size),
    }


def opened(cfg: Mapping[str, Any], batch_size: int) -> tuple[str, Any]:
    """What the runtime of a config runs, an exported file or the preset itself, and its detector.

    Raises:
        ZooError: the model does not detect.
    """
    file = cfg["preset"]
    if cfg["runtime"] != "keras":
        precision = cfg["export_precision"]
        model = loaded(file, runtime=cfg["runtime"], precision=precision, batch_size=batch_size)
        return str(model.where), model
    detector = zoo.load(file)
    if isinstance(detector, Detector):
        return file, fold(detector)
    if not isinstance(detector, ExportedDetector):
        raise ZooError(f"{file} classifies; what=model is for detectors")
    return file, detector


def network(detector: Any, number: int) -> Callable[[], object]:
    """A call from `number` network inputs to their boxes on the host.

    Args:
        detector: of Keras, or exported.
        number: images.
    """
    images = np.random.default_rng(0).random((number, *detector.image_size, 3), np.float32)
    predictor = detector.predictor()
    if not isinstance(detector, ExportedDetector):
        return lambda: predictor.predict_on_batch(images)
    windows = np.tile(EVERYWHERE, (number, 1))
    return lambda: predictor.predict_on_batch([images, windows])


def _images_per_second(detector: Any, number: int, rounds: int) -> float:
    times = milliseconds(network(detector, number), rounds=max(3, rounds // number))
    return 1e3 * number / statistics.median(times)
