"""How a person or the system stops a change: what runs ends in good order, and is taken back."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType


class WallClock:
    """Real time that runs evenly, so that no deadline moves when somebody sets the computer's clock meanwhile.

    Waiting ends early when a person asks to stop.
    """

    def __init__(self, stop: Event) -> None:
        self._stop = stop
        self._zero = time.time() - time.monotonic()

    def time(self) -> float:
        """Unix seconds."""
        return self._zero + time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._stop.wait(seconds)


@contextmanager
def stoppable() -> Iterator[Event]:
    """An event that is set, before KeyboardInterrupt is raised, when a person or the system asks to stop.

    Asking again changes nothing: what was begun is being taken back by then, which must come to its end (a frozen agent
    hears every Ctrl-C twice besides). A login that is lost asks for nothing: what was agreed to goes on.
    """
    stop, heard = Event(), Event()

    def asked(_number: int, _frame: FrameType | None) -> None:
        if not heard.is_set():
            heard.set()
            stop.set()
            raise KeyboardInterrupt

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    if sys.platform != "win32":
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
