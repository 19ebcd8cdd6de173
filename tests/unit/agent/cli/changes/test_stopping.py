"""How a change hears that it shall stop, and by which clock it waits."""

import signal
import sys
import time

import pytest

from agent.applying.means import Stop
from agent.cli.changes.stopping import WallClock, stoppable


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asking_again_does_not_cut_the_taking_back_short(number: signal.Signals) -> None:
    with stoppable() as stop:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert stop.asked
        stop.disregard()
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert stop.heard and not stop.asked


def test_what_must_come_to_its_end_is_not_stopped() -> None:
    with stoppable() as stop:
        stop.disregard()
        signal.raise_signal(signal.SIGINT)
        assert stop.heard and not stop.asked


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGHUP")
def test_a_lost_login_asks_for_nothing_and_all_is_as_before_afterwards() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    with stoppable() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert not stop.heard
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.parametrize("jump", [-86_400, 86_400])
def test_a_clock_that_is_set_meanwhile_moves_no_deadline(jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, real = WallClock(Stop()), time.time
    began = clock.time()
    assert abs(began - real()) < 60
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    assert 0 <= clock.time() - began < 60


def test_whoever_asks_to_stop_is_not_waited_for() -> None:
    stop = Stop()
    with pytest.raises(KeyboardInterrupt):
        stop.ask()
    began = time.monotonic()
    WallClock(stop).sleep(60)
    assert time.monotonic() - began < 30
