"""SIGTERM and Ctrl-C: save, then stop."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

log = logging.getLogger(__name__)


class Interrupted(BaseException):
    """A run was stopped from outside, and can go on.

    No `Exception`: Keras makes another one of those that pass through a layer, and others might
    hold them back.

    Attributes:
        status: the exit status of the process, 128 + the number of the signal.
    """

    def __init__(self, message: str, signal_number: int):
        super().__init__(message)
        self.status = 128 + signal_number


class Interruption:
    """What a signal asked for, for loops that look at it between updates and between evaluations.

    The handler raises nothing: an exception that comes out of the middle of TensorFlow is one of
    TensorFlow's own, or worse.

    Args:
        agree: of several processes: makes one answer of the `came` and `saved` of each. A signal
            reaches them at different updates, or one of them alone, and they can stop together
            only: they ask each other in `check`, which all call at the same places.

    Attributes:
        came: number of the signal that came to this process, or None.
        signal: of the signal to heed, or None; of several processes the one they agree on.
        saved: whether all that was done is in a checkpoint; the run can then stop anywhere.
        message: what to tell the user when the run stops.
    """

    def __init__(
        self, agree: Callable[[int | None, bool], tuple[int | None, bool]] | None = None
    ) -> None:
        self.agree = agree
        self.came: int | None = None
        self.signal: int | None = None
        self.saved = True
        self.message = "stopped"

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
                # What another process was told first may still come while this one ends.
                late = self.agree is not None and self.signal is not None
                signal.signal(number, signal.SIG_IGN if late else handler)

    def check(self) -> None:
        """Stop if a signal came and nothing would be lost.

        Raises:
            Interrupted: that is so.
        """
        if self.agree:
            self.signal, self.saved = self.agree(self.came, self.saved)
        if self.signal is not None and self.saved:
            self.stop()

    def stop(self) -> None:
        """Raise `Interrupted`."""
        number = self.signal or self.came or signal.SIGTERM
        raise Interrupted(f"{signal.Signals(number).name}: {self.message}", number)

    def _note(self, number: int, frame: Any) -> None:
        if self.came is not None:
            raise KeyboardInterrupt
        self.came = number
        if not self.agree:
            self.signal = number
        name = signal.Signals(number).name
        log.warning("%s: saving, then stopping; once more stops at once", name)
