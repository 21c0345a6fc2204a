"""Between a run and its tracker: whatever that does, the run goes on."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Any

import keras

from zoo.errors import PartFailed, ZooError

log = logging.getLogger(__name__)

#: What Keras calls.
HOOKS = [name for name in dir(keras.callbacks.Callback) if name.startswith(("on_", "set_"))]


class Guarded(contextlib.AbstractContextManager[list[keras.callbacks.Callback]]):
    """A tracker that warns once instead of failing, and is silent from then on.

    What ends the run within the block reaches the tracker and then the caller, whatever the
    tracker makes of it. What is no `Exception`, as Ctrl-C, passes.

    Args:
        name: of the tracker.
        build: makes it, a context manager of a list of Keras callbacks where all is well.
    """

    def __init__(self, name: str | None, build: Callable[[], Any]):
        self.name, self.build = name, build
        self.tracker: Any = None
        self.off = False

    def __enter__(self) -> list[keras.callbacks.Callback]:
        """The tracker's callbacks, guarded; none where it has failed.

        Raises:
            ZooError: there is no such tracker, or it does not take a key of the config.
        """
        try:
            return self._entered(self.build())
        except PartFailed as error:
            self._switch_off(error.__cause__ or error)
        except ZooError:
            raise
        except Exception as error:
            self._switch_off(error)
        return []

    def _entered(self, tracker: Any) -> list[keras.callbacks.Callback]:
        if not isinstance(tracker, contextlib.AbstractContextManager):
            raise TypeError(f"{tracker!r} is no context manager")
        callbacks = tracker.__enter__()
        self.tracker = tracker  # from here on it has an end
        if not isinstance(callbacks, list) or not all(
            isinstance(callback, keras.callbacks.Callback) for callback in callbacks
        ):
            raise TypeError(f"it yields {callbacks!r}, not a list of Keras callbacks")
        for callback in callbacks:
            for hook in HOOKS:
                setattr(callback, hook, self._harmless(getattr(callback, hook)))
        return callbacks

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the tracker finish, also one that failed on the way."""
        if self.tracker is None:
            return
        try:
            self.tracker.__exit__(kind, error, trace)
        except Exception as found:
            if found is not error:
                self._switch_off(found)

    def _harmless(self, method: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(method)  # keeps Keras' mark of a hook that does nothing
        def guarded(*args: Any, **kwargs: Any) -> None:
            if self.off:
                return
            try:
                method(*args, **kwargs)
            except Exception as error:
                self._switch_off(error)

        return guarded

    def _switch_off(self, error: BaseException) -> None:
        if not self.off:
            log.warning("tracker %r is off: %s", self.name, error or type(error).__name__)
        self.off = True
