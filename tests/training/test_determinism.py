"""The data of an update are a function of the seed and of its number."""

import itertools

import numpy as np
import pytest

from zoo.data.loader import training_batches
from zoo.data.sources.shapes import Shapes
from zoo.data.training import TrainingSamples
from zoo.training import determinism

SOURCE = Shapes(split="train", images=10, size=(64, 64))


def batches(seed=0, threads=0, start=0, count=6):
    samples = TrainingSamples(
        SOURCE, size=(64, 64), mode="stretch", batch_size=4, max_boxes=8, seed=seed,
        transforms=[{"name": "flip"}],
    )  # fmt: skip
    data = training_batches(samples, start=start, num_threads=threads)
    return list(itertools.islice(data, count - start))


def same(ours, theirs):
    return all(
        np.array_equal(a[0], b[0]) and all(np.array_equal(a[1][key], b[1][key]) for key in a[1])
        for a, b in zip(ours, theirs, strict=True)
    )


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_threads_do_not_count(threads):
    assert same(batches(), batches(threads=threads))


@pytest.mark.parametrize("start", [1, 2, 3, 5])
def test_a_start_leaves_out_batches_and_changes_none(start):
    """Ten images in batches of four: the third batch runs on into the second epoch."""
    assert same(batches()[start:], batches(start=start, threads=2))


def test_seeds_count():
    assert not same(batches(), batches(seed=1))


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        pytest.param("", "--xla_gpu_deterministic_ops=true", id="none before"),
        pytest.param("--a=1", "--a=1 --xla_gpu_deterministic_ops=true", id="beside others"),
        pytest.param("--xla_gpu_deterministic_ops=false", "--xla_gpu_deterministic_ops=false",
                     id="the user's word holds"),
    ],
)  # fmt: skip
def test_flags_of_xla(flags, expected, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", flags)
    determinism.prepare(True)
    import os

    assert os.environ["XLA_FLAGS"] == expected
    monkeypatch.setenv("XLA_FLAGS", flags)
    determinism.prepare(False)
    assert os.environ["XLA_FLAGS"] == flags
