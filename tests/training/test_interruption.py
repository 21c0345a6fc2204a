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
    interruption = Interruption("go on with X")
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
