"""Batches for training and for evaluation, made by threads of Grain."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence

import grain
import numpy as np

from zoo.data.geometry import Geometry, resize
from zoo.data.image import reduction_for
from zoo.data.sample import Source, pixels_of
from zoo.data.training import TrainingSamples, stacked
from zoo.errors import ZooError
from zoo.ranges import check_whole

ENDLESS = 2**62  # samples
THREADS = min(8, os.cpu_count() or 1)


def training_batches(
    samples: TrainingSamples,
    *,
    start: int = 0,
    num_threads: int = THREADS,
    process: int = 0,
    processes: int = 1,
    parts: int = 1,
) -> grain.IterDataset:
    """Batches of training samples, without end, as `keras.Model.fit` takes them on any backend.

    Their x is of the samples' type, uint8 but for Darknet's interpolation: our networks divide by
    255 themselves, on the device. An epoch need not be a multiple of the batch: batches run on into
    the next one.

    Args:
        samples: whose `batch_size` is that of all processes together.
        start: batches to leave out at the beginning; they are not made.
        num_threads: how many samples are made at the same time, which changes none of them; 0
            makes them as they are asked for.
        process: which share of each batch, in order; the others are not made.
        processes: how many share a batch evenly.
        parts: equal pieces, in order, in which a share is given.

    Returns:
        A dataset of (x, y) as `stacked` gives them.
    """
    share = samples.batch_size // processes

    def make(number: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        batch, row = divmod(number, share)
        return samples(batch * samples.batch_size + process * share + row)

    made = grain.MapDataset.range(start * share, ENDLESS).map(make)
    read = made.to_iter_dataset(_read_options(num_threads, share))
    return read.batch(share // parts, drop_remainder=True, batch_fn=stacked)


def evaluation_batches(
    source: Source,
    *,
    size: Sequence[int],
    mode: str,
    batch_size: int,
    interpolation: str = "linear",
    num_threads: int = THREADS,
) -> Iterator[tuple[np.ndarray, list[int], list[Geometry]]]:
    """Batches of every image once, in order, with the way back to its own pixels.

    Args:
        source: the data set.
        size: height H and width W of the network input, pixels.
        mode: as in `resize`.
        batch_size: B, of all but perhaps the last batch.
        interpolation: as in `resize`.
        num_threads: how many images are read at the same time.

    Returns:
        An iterator of x float32 (B, H, W, 3) in [0, 1]; the B indices into `source`; the B
        geometries.

    Raises:
        ZooError: the batch size is no positive number.
    """

    def prepare(index: int) -> tuple[np.ndarray, int, Geometry]:
        pixels, geometry = _fitted(source, index, size, mode, interpolation)
        return pixels, index, geometry

    def stack(
        batch: list[tuple[np.ndarray, int, Geometry]],
    ) -> tuple[np.ndarray, list[int], list[Geometry]]:
        pixels, indices, geometries = zip(*batch, strict=True)
        return np.stack(pixels), list(indices), list(geometries)

    images = grain.MapDataset.range(len(source)).map(prepare)
    prepared = images.to_iter_dataset(_read_options(num_threads, batch_size))
    batches = prepared.batch(batch_size, drop_remainder=False, batch_fn=list)
    return map(stack, batches)


@contextlib.contextmanager
def clear_errors() -> Iterator[None]:
    """Around `fit`: a `ZooError` of the loader comes out as one, whatever the backend.

    TensorFlow turns what a pipeline raises into an error of its own, with ours in its text.
    """
    try:
        yield
    except ZooError:
        raise
    except Exception as error:
        if ours := re.search(r"^(?:\S+ )?ZooError: (.+)$", str(error), re.MULTILINE):
            raise ZooError(ours[1]) from error
        raise


def _fitted(
    source: Source, index: int, size: Sequence[int], mode: str, interpolation: str
) -> tuple[np.ndarray, Geometry]:
    """An image as training shows it untransformed: averaged by its decoder where it is large."""
    whole = source.size(index)
    part = reduction_for(whole, size) if interpolation == "linear" else 1
    pixels = pixels_of(source, index, part)
    return resize(pixels, tuple(size), mode=mode, interpolation=interpolation, original=whole)


def _read_options(num_threads: int, batch_size: int) -> grain.ReadOptions:
    """Grain's default buffer of 500 images would be gigabytes; two batches hide the reading."""
    check_whole("batch_size", batch_size, least=1)
    ahead = max(num_threads, 2 * batch_size) if num_threads else 0
    return grain.ReadOptions(num_threads=num_threads, prefetch_buffer_size=ahead)
