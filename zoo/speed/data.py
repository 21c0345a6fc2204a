"""What the input pipeline of a training config costs, and whether it or the model limits."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.data.loader import THREADS, training_batches
from zoo.data.sample import Source
from zoo.data.training import CACHE_MB, RECENT, TrainingSamples, network_input, stacked
from zoo.errors import ZooError
from zoo.ranges import check_whole
from zoo.speed.stages import BATCH, REST, Watched, watched_samples
from zoo.speed.timing import Stopwatch, milliseconds

#: Where decoded images come from: all were seen before; each comes for the first time, and what a
#: mix looks at again is in the cache; nothing is kept.
KINDS = ("RAM", "streaming", "uncached")
#: What is enough for all of them, megabytes.
ALL = 2**30


def measure(cfg: Mapping[str, Any], source: Source) -> dict[str, Any]:
    """Images a second and CPU time by stage, of one thread and of the loader.

    Args:
        cfg: plain `conf/benchmark.yaml`: all keys of training, `count`, `rounds` and `step`.
        source: the training split.

    Returns:
        `pipeline`: for each of `KINDS` the CPU and wall time of an image by stage, one thread;
        `loader`: images a second with one thread and with all; `step`: a training step, None
        without; `verdict`: a sentence.

    Raises:
        ZooError: something in the config does not fit.
    """
    for key in ("count", "batch_size", "rounds"):
        check_whole(key, cfg[key], least=1)
    if cfg["count"] < cfg["batch_size"]:
        raise ZooError(
            f"count={cfg['count']}: must be at least batch_size={cfg['batch_size']} images"
        )
    pipeline = {kind: staged(cfg, source, kind) for kind in KINDS}
    threads = sorted({1, cfg["threads"] or THREADS})
    loader = {
        kind: {str(number): loaded(cfg, source, kind, number) for number in threads}
        for kind in ("RAM", "streaming")
    }
    step = training_step(cfg, source) if cfg["step"] else None
    kind = "RAM" if _fits(cfg, source) else "streaming"
    rate = loader[kind][str(threads[-1])]
    return {
        "pipeline": pipeline,
        "loader": loader,
        "step": step,
        "verdict": verdict(rate, kind, threads[-1], step),
    }


def staged(cfg: Mapping[str, Any], source: Source, kind: str) -> dict[str, Any]:
    """`cfg["count"]` images, in whole batches, made by one thread, timed at each stage."""
    watch = Stopwatch()
    samples, watched = prepared(cfg, source, kind, watch)
    watch.cpu.clear()
    watch.wall.clear()
    before, size = watched.decoded, cfg["batch_size"]
    numbers = range(_first(size), _first(size) + cfg["count"] // size)
    for number in numbers:
        made = []
        for position in range(number * size, (number + 1) * size):
            with watch.stage(REST):
                made.append(samples(position))
        with watch.stage(BATCH):
            stacked(made)
    images = len(numbers) * size
    stages = {
        name: {"cpu_ms": 1e3 * watch.cpu[name] / images, "wall_ms": 1e3 * watch.wall[name] / images}
        for name in watch.cpu
    }
    return {
        "images": images,
        "decoded_per_image": (watched.decoded - before) / images,
        "stages": stages,
        "images_per_cpu_second": images / sum(watch.cpu.values()),
        "images_per_second": images / sum(watch.wall.values()),
    }


def prepared(
    cfg: Mapping[str, Any], source: Source, kind: str, watch: Stopwatch | None
) -> tuple[TrainingSamples, Watched]:
    """Samples whose cache is as it is in the midst of training, and the source that they read."""
    size, count = cfg["batch_size"], cfg["count"]
    first = _first(size) * size
    again = -(-(first + 2 * count) // len(source)) + 1
    watched = Watched(source, watch, repeats=1 if kind == "RAM" else again)
    cache_mb = {"RAM": ALL, "streaming": _cache_mb(cfg), "uncached": 0}[kind]
    samples = watched_samples(cfg, watched, watch, cache_mb=cache_mb)
    if kind == "RAM":
        for position in range(first, first + count):
            samples(position)
    elif kind == "streaming":
        for position in range(first):
            samples.pixels(samples.index(position))
    return samples, watched


def loaded(cfg: Mapping[str, Any], source: Source, kind: str, threads: int) -> float:
    """Images a second of the loader that `fit` gets its batches from."""
    samples, _ = prepared(cfg, source, kind, None)
    size = cfg["batch_size"]
    number = cfg["count"] // size
    start = time.perf_counter()
    batches = training_batches(samples, start=_first(size), num_threads=threads)
    made = sum(len(x) for x, _ in itertools.islice(batches, number))
    return made / (time.perf_counter() - start)


def training_step(cfg: Mapping[str, Any], source: Source) -> dict[str, float]:
    """A training step of the config, in its precision, on batches that are there already."""
    import keras

    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_global_policy(cfg["precision"])
    try:
        return _timed_step(cfg, source)
    finally:
        keras.mixed_precision.set_global_policy(before)


def _timed_step(cfg: Mapping[str, Any], source: Source) -> dict[str, float]:
    from zoo.training.devices import Devices
    from zoo.training.run import compile_detector, detector_for

    detector = detector_for({**cfg, "weights": None}, source)
    compile_detector(detector, cfg, total_steps=1000, devices=Devices())
    samples = watched_samples(cfg, source, None, cache_mb=_cache_mb(cfg))
    size, _, _ = network_input(cfg)
    made = [samples(position) for position in range(cfg["batch_size"])]
    x, y = stacked(made)
    if x.shape[1:3] != tuple(size):  # augment.scales has drawn another size
        x = np.random.default_rng(0).integers(0, 256, (len(x), *size, 3), np.uint8)
    times = milliseconds(lambda: detector.train_on_batch(x, y), rounds=cfg["rounds"])
    median = statistics.median(times)
    return {"milliseconds": median, "images_per_second": 1e3 * len(x) / median}


def verdict(rate: float, kind: str, threads: int, step: Mapping[str, float] | None) -> str:
    """One sentence.

    Args:
        rate: images a second of the loader.
        kind: of `KINDS`.
        threads: of the loader.
        step: of `training_step`.
    """
    number = f"{threads} thread" + "s" * (threads > 1)
    made = f"the loader makes {rate:.0f} images/s ({kind}, {number})"
    if step is None:
        return f"{made}; no training step was measured"
    model = step["images_per_second"]
    limit, ratio = ("model", rate / model) if model < rate else ("data", model / rate)
    return (
        f"{made}, a training step takes {model:.1f} images/s: the {limit} is the bottleneck, by a "
        f"factor of {ratio:.1f}"
    )


def _first(batch_size: int) -> int:
    """The first batch that is looked at: before it there are all images that a mix reaches."""
    return -(-RECENT // batch_size)


def _fits(cfg: Mapping[str, Any], source: Source) -> bool:
    """Whether all decoded images fit into the cache."""
    samples = watched_samples(cfg, source, None, cache_mb=0)
    sizes = (source.size(index) for index in range(len(source)))
    pixels = sum(h * w / samples.reduction((h, w)) ** 2 for h, w in sizes)
    return 3 * pixels <= _cache_mb(cfg) * 2**20


def _cache_mb(cfg: Mapping[str, Any]) -> float:
    return cfg["data"].get("cache_mb", CACHE_MB)
