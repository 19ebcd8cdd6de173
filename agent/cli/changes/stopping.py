"""How a person or the system stops a change: what runs ends in good order, and is taken back."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from agent.applying.means import Stop

SLICE_SECONDS = 0.05

_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", None)


class WallClock:
    """Real time that runs evenly, so that no deadline moves when somebody sets the computer's clock meanwhile.

    Waiting ends early when a person asks to stop.
    """

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._zero = time.time() - _even()

    def time(self) -> float:
        """Unix seconds."""
        return self._zero + _even()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        until = time.monotonic() + seconds
        while not self._stop.asked and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, SLICE_SECONDS))


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Hear, by KeyboardInterrupt, when a person or the system asks to stop.

    Asking again changes nothing: what was begun is being taken back by then, which must come to its end (a frozen agent
    hears every Ctrl-C twice besides). A login that is lost asks for nothing: what was agreed to goes on.
    """
    stop = Stop()
    before = {number: signal.signal(number, lambda *_: stop.ask()) for number in (signal.SIGINT, signal.SIGTERM)}
    if sys.platform != "win32":
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _even() -> float:
    """Seconds that nobody can set, those in which the computer slept among them where it counts them."""
    return time.monotonic() if _BOOTTIME is None else time.clock_gettime(_BOOTTIME)
