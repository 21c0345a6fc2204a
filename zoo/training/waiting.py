"""How long training waits for its data."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import grain


@dataclass
class Waits:
    """Seconds in which whoever asked for a batch had none.

    `fit` asks between two updates, and every update ends with its loss on the host, so this is time
    in which no device computes. Two exceptions: the strategies of TensorFlow ask ahead, and a batch
    is put together while it is waited for, which counts as well.
    """

    seconds: float = 0.0


class Timed(grain.IterDataset):
    """The same batches; how long each is waited for is added to `waits`.

    Args:
        batches: any iterable dataset.
        waits: where to add.
    """

    def __init__(self, batches: grain.IterDataset, waits: Waits):
        super().__init__(batches)
        self._waits = waits

    def __iter__(self) -> grain.DatasetIterator:
        return _TimedIterator(iter(self._parent), self._waits)


class _TimedIterator(grain.DatasetIterator):
    def __init__(self, batches: grain.DatasetIterator, waits: Waits):
        super().__init__(batches)
        self._waits = waits

    def __next__(self) -> Any:
        start = time.perf_counter()
        try:
            return next(self._parent)
        finally:
            self._waits.seconds += time.perf_counter() - start

    def get_state(self) -> Any:
        """The position, which is that of the batches."""
        return self._parent.get_state()

    def set_state(self, state: Any) -> None:
        """Go to a position."""
        self._parent.set_state(state)
