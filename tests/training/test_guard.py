"""What a tracker may do to a run: nothing."""

import contextlib
from types import SimpleNamespace

import keras
import pytest
from test_tracking import fit

from zoo.errors import ZooError
from zoo.registry import TRACKERS
from zoo.training.devices import Devices
from zoo.training.interruption import Interrupted
from zoo.training.run import _tracked


def tracked(part, tmp_path, process=0, **keys):
    """The block of a run that `part` tracks."""
    record = SimpleNamespace(directory=tmp_path, manifest={"id": "abc"})

    @contextlib.contextmanager
    def block():
        with (
            TRACKERS.temporarily("x", part),
            _tracked({"tracker": {"name": "x", **keys}}, record, Devices(process=process)) as found,
        ):
            yield found

    return block()


def giving(yielded):
    @contextlib.contextmanager
    def tracker(*, directory, config, run_id):
        yield yielded

    return tracker


class Failing(keras.callbacks.Callback):
    calls = 0

    def on_train_batch_end(self, batch, logs=None):
        self.calls += 1
        raise OSError("disk full")


def raising_when_built(*, directory, config, run_id):
    raise RuntimeError("no account")


@contextlib.contextmanager
def raising_on_enter(*, directory, config, run_id):
    raise RuntimeError("no network")
    yield []


def test_of_several_processes_the_first_one_has_the_tracker(tmp_path):
    callback = keras.callbacks.Callback()
    with tracked(giving([callback]), tmp_path) as found:
        assert found == [callback]
    with tracked(raising_when_built, tmp_path, process=1) as found:
        assert found == []


@pytest.mark.parametrize(
    ("part", "said"),
    [
        pytest.param(raising_when_built, "no account", id="built"),
        pytest.param(raising_on_enter, "no network", id="enter"),
        pytest.param(giving(None), "it yields None, not a list of Keras callbacks", id="None"),
        pytest.param(giving(Failing()), "not a list of Keras callbacks", id="one"),
        pytest.param(giving([print]), "not a list of Keras callbacks", id="functions"),
        pytest.param(lambda **_: [], r"[] is no context manager", id="no context manager"),
    ],
)
def test_a_tracker_that_does_not_begin_is_off(tmp_path, caplog, part, said):
    with tracked(part, tmp_path) as callbacks:
        assert callbacks == []
    (message,) = caplog.messages
    assert message.startswith("tracker 'x' is off: ") and said in message


def test_a_callback_that_fails_is_silent_from_then_on(tmp_path, caplog):
    failing = Failing()
    with tracked(giving([failing]), tmp_path) as callbacks:
        fit(callbacks)
    assert failing.calls == 1
    assert caplog.messages == ["tracker 'x' is off: disk full"]


class Ends:
    """A tracker that keeps what ended the run, and hides or replaces it."""

    def __init__(self, answer):
        self.answer, self.reason = answer, None

    def __call__(self, *, directory, config, run_id):
        return self

    def __enter__(self):
        return []

    def __exit__(self, kind, error, trace):
        self.reason = error
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_tracker_that_fails_at_the_end_costs_a_warning(tmp_path, caplog):
    with tracked(Ends(RuntimeError("no network")), tmp_path):
        pass
    assert caplog.messages == ["tracker 'x' is off: no network"]


@pytest.mark.parametrize("answer", [None, True, RuntimeError("no network")])
def test_what_ends_the_run_reaches_tracker_and_caller(tmp_path, answer):
    ends, reason = Ends(answer), ZooError("the loss is not a number")
    with pytest.raises(ZooError) as found, tracked(ends, tmp_path):
        raise reason
    assert found.value is reason is ends.reason


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(1), Interrupted("stopped", 15)])
def test_what_stops_a_process_passes(tmp_path, stop):
    class Stops(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise stop

    with pytest.raises(type(stop)), tracked(giving([Stops()]), tmp_path) as callbacks:
        fit(callbacks)


def test_a_key_that_a_tracker_does_not_take_is_the_users_to_mend(tmp_path):
    with (
        pytest.raises(ZooError, match="takes no 'projct'"),
        tracked(giving([]), tmp_path, projct=1),
    ):
        pass
