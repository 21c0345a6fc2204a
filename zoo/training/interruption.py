"""SIGTERM and Ctrl-C: save, then stop."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator
from typing import Any

log = logging.getLogger(__name__)


class Interrupted(Exception):
    """A run was stopped from outside, and can go on.

    Attributes:
        status: the exit status of the process, 128 + the number of the signal.
    """

    def __init__(self, message: str, signal_number: int):
        super().__init__(message)
        self.status = 128 + signal_number


class Interruption:
    """What a signal asked for, for a loop that looks at it between two updates.

    Attributes:
        signal: number of the signal that came, or None.
        saved: whether all that was done is in a checkpoint. A signal then stops the run at once,
            be it in the middle of an evaluation.
        message: what to tell the user when the run stops.
    """

    def __init__(self, message: str = "stopped") -> None:
        self.signal: int | None = None
        self.saved = True
        self.message = message

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGTERM and SIGINT within the block; a second one stops without saving."""
        if threading.current_thread() is not threading.main_thread():
            yield  # Python gives signals to the main thread only
            return
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, self._note) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def stop(self) -> None:
        """Raise `Interrupted`."""
        number = self.signal or signal.SIGTERM
        raise Interrupted(f"{signal.Signals(number).name}: {self.message}", number)

    def _note(self, number: int, frame: Any) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
        if self.saved:
            self.stop()
        log.warning(
            "%s: saving after this update; once more stops without", signal.Signals(number).name
        )
