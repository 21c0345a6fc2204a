import os
import signal

import keras
import numpy as np
import pytest

from zoo.training.interruption import Interrupted, Interruption


@pytest.mark.parametrize(
    ("number", "status"),
    [pytest.param(signal.SIGTERM, 143, id="TERM"), pytest.param(signal.SIGINT, 130, id="Ctrl-C")],
)
def test_with_nothing_to_lose_the_run_stops_when_it_looks(number, status):
    interruption = Interruption()
    interruption.message = "go on with X"
    with interruption.listening():
        interruption.check()  # nothing came yet
        os.kill(os.getpid(), number)
        with pytest.raises(Interrupted, match="go on with X") as stopped:
            interruption.check()
    assert stopped.value.status == status


def test_in_the_middle_of_a_layer_nothing_is_raised():
    interruption = Interruption()

    class Stopping(keras.layers.Layer):
        def call(self, x):
            if not isinstance(x, keras.KerasTensor):
                os.kill(os.getpid(), signal.SIGTERM)
            return x

    layer = Stopping()
    with interruption.listening():
        assert layer(np.ones(1)) is not None
    assert interruption.signal == signal.SIGTERM


def test_with_something_to_lose_it_waits_until_it_is_asked(caplog):
    interruption = Interruption()
    interruption.saved = False
    with interruption.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.signal == signal.SIGTERM
        assert "SIGTERM: saving, then stopping" in caplog.text
        interruption.check()  # does not stop: the last update is not saved
        with pytest.raises(Interrupted) as stopped:
            interruption.stop()
    assert stopped.value.status == 143


def test_a_second_one_does_not_wait():
    interruption = Interruption()
    interruption.saved = False
    with pytest.raises(KeyboardInterrupt), interruption.listening():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_the_handlers_are_given_back():
    before = signal.getsignal(signal.SIGTERM)
    with Interruption().listening():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_of_several_processes_each_stops_with_the_one_that_was_told():
    asked = []

    def agree(came, saved):
        asked.append((came, saved))
        return signal.SIGINT, True

    interruption = Interruption(agree)
    interruption.saved = False  # the first process has saved, and that counts
    with pytest.raises(Interrupted) as stopped:
        interruption.check()
    assert (stopped.value.status, asked) == (130, [(None, False)])


def test_of_several_processes_the_one_that_was_told_waits_for_the_others():
    interruption = Interruption(lambda came, saved: (None, saved))
    with interruption.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        assert (interruption.came, interruption.signal) == (signal.SIGTERM, None)
        interruption.check()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_that_another_process_had_first_ends_nothing():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    interruption = Interruption(lambda came, saved: (signal.SIGTERM, False))
    try:
        with interruption.listening():
            interruption.check()
            os.kill(os.getpid(), signal.SIGTERM)  # the first one here
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
    assert interruption.came == signal.SIGTERM
