"""How a change hears that it shall stop, and by which clock it waits."""

import signal
import sys
import time
from threading import Event

import pytest

from agent.cli.changes.stopping import WallClock, stoppable


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asking_again_does_not_cut_the_taking_back_short(number: signal.Signals) -> None:
    with stoppable() as stop:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert stop.is_set()
        stop.clear()  # as who takes back does
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert not stop.is_set()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGHUP")
def test_a_lost_login_asks_for_nothing_and_all_is_as_before_afterwards() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    with stoppable() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert not stop.is_set()
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.parametrize("jump", [-86_400, 86_400])
def test_a_clock_that_is_set_meanwhile_moves_no_deadline(jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, real = WallClock(Event()), time.time
    began = clock.time()
    assert abs(began - real()) < 60
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    assert 0 <= clock.time() - began < 60
