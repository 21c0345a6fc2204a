"""The training samples of a config with a stopwatch at each stage; the samples stay the same."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from zoo.data.sample import Labels, Source, pixels_of
from zoo.data.training import TrainingSamples, training_samples
from zoo.data.transforms.example import Example, Tone
from zoo.registry import TRANSFORMS
from zoo.speed.timing import Stopwatch

DECODE, COLOURS, WARP, REST, BATCH = (
    "read and decode", "colours", "warp", "resize and boxes", "batch"
)  # fmt: skip


class Watched:
    """A `Source` whose decoding is timed and counted.

    Args:
        source: the data set.
        watch: where its time goes; None: nowhere.
        repeats: how often it stands in a row, each time as if its images were new ones.
    """

    def __init__(self, source: Source, watch: Stopwatch | None = None, repeats: int = 1):
        self._source, self._watch, self._repeats = source, watch, repeats
        self.class_names, self.category_ids = source.class_names, source.category_ids
        self.decoded = 0

    @property
    def fingerprint(self) -> str:
        """The source's."""
        return self._source.fingerprint

    def __len__(self) -> int:
        return len(self._source) * self._repeats

    def id(self, index: int) -> int | str:
        """The source's."""
        return self._source.id(index % len(self._source))

    def labels(self, index: int) -> Labels:
        """The source's."""
        return self._source.labels(index % len(self._source))

    def size(self, index: int) -> tuple[int, int]:
        """The source's."""
        return self._source.size(index % len(self._source))

    def image(self, index: int) -> np.ndarray:
        """The source's, timed."""
        return self.reduced(index, 1)

    def reduced(self, index: int, reduction: int) -> np.ndarray:
        """The source's, timed."""
        self.decoded += 1
        with self._watch.stage(DECODE) if self._watch else contextlib.nullcontext():
            return pixels_of(self._source, index % len(self._source), reduction)


def watched_samples(
    cfg: Mapping[str, Any], source: Source, watch: Stopwatch | None, *, cache_mb: float
) -> TrainingSamples:
    """The samples of a training config that never ends.

    Geometry is lazy: a transform's own stage is that of its matrix and boxes, `warp` that of the
    pixels, in one interpolation for all of them, and `colours` that of all functions of colour.

    Args:
        cfg: plain `conf/train.yaml`.
        source: the training split.
        watch: where the time of transforms goes; None leaves them as they are.
        cache_mb: megabytes of decoded images to keep.
    """
    augment = {**cfg["augment"], "unmixed_epochs": 0}
    with contextlib.ExitStack() as registered:
        if watch:
            parts = [
                (f"{number} {step['name']}", _timed(TRANSFORMS[step["name"]], step["name"], watch))
                for number, step in enumerate(augment["transforms"])
            ] + [(WARP, _looking(watch))]
            for name, part in parts:
                registered.enter_context(TRANSFORMS.temporarily(name, part))
            steps = [*augment["transforms"], {}]
            named = [{**step, "name": name} for step, (name, _) in zip(steps, parts, strict=True)]
            augment["transforms"] = named
        cfg = {
            **cfg,
            "epochs": 1,
            "augment": augment,
            "data": {**cfg["data"], "cache_mb": cache_mb},
        }
        return training_samples(cfg, source, steps=2**40)


def _timed(part: Callable[..., Example], name: str, watch: Stopwatch) -> Callable[..., Example]:
    @functools.wraps(part)
    def timed(example: Example, *arguments: Any, **keywords: Any) -> Example:
        with watch.stage(name):
            after = part(example, *arguments, **keywords)
        before = len(example.tones)
        if len(after.tones) <= before:
            return after
        tones = [functools.partial(_toned, tone=tone, watch=watch) for tone in after.tones[before:]]
        return replace(after, tones=(*after.tones[:before], *tones))

    return timed


def _toned(pixels: np.ndarray, tone: Tone, watch: Stopwatch) -> np.ndarray:
    with watch.stage(COLOURS):
        return tone(pixels)


def _looking(watch: Stopwatch) -> Callable[..., Example]:
    """The last transform: the pixels are computed here."""

    def look(example: Example, rng: np.random.Generator) -> Example:
        with watch.stage(WARP):
            return example.paint(example.image)

    return look
