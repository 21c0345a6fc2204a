import os
import signal

import pytest

from zoo.training.interruption import Interrupted, Interruption


@pytest.mark.parametrize(
    ("number", "status"),
    [pytest.param(signal.SIGTERM, 143, id="TERM"), pytest.param(signal.SIGINT, 130, id="Ctrl-C")],
)
def test_with_nothing_to_lose_a_signal_stops_at_once(number, status):
    interruption = Interruption("go on with X")
    with pytest.raises(Interrupted, match="go on with X") as stopped, interruption.listening():
        os.kill(os.getpid(), number)
    assert stopped.value.status == status


def test_with_something_to_lose_it_waits_until_it_is_asked(caplog):
    interruption = Interruption()
    interruption.saved = False
    with interruption.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.signal == signal.SIGTERM
        assert "saving after this update" in caplog.text
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
