"""Progress where there is no terminal: a plain line every few seconds for each piece of work that is under way."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bundle_format.shown.sizes import size_text

EVERY = 5.0
"""Seconds between two lines about the same work."""


class _Work:
    """One piece of work under way."""

    def __init__(self, what: str, total: int | None, began: float) -> None:
        self.told = False
        self._what = what
        self._total = total
        self._began = began
        self._done = 0
        self._lock = threading.Lock()

    def advance(self, amount: int) -> None:
        with self._lock:
            self._done += amount

    def line(self, now: float) -> str:
        parts = [f"{now - self._began:.0f} s"]
        if self._total:
            percent = min(100, self._done * 100 // self._total)
            parts.insert(0, f"{size_text(self._done)} of {size_text(self._total)} ({percent} %)")
        elif self._done:
            parts.insert(0, size_text(self._done))
        return f"{self._what}: {', '.join(parts)}"


class ProgressLines:
    """A Progress that writes lines through `write`; work that ends within the first few seconds writes none."""

    def __init__(
        self, write: Callable[[str], None], *, every: float = EVERY, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._every = every
        self._clock = clock
        self._lock = threading.Lock()

    @contextmanager
    def task(self, what: str, total: int | None = None) -> Iterator[_Work]:
        """Open a piece of work; a line tells of it every few seconds, and a last one how it ended."""
        work = _Work(what, total, self._clock())
        ended = threading.Event()
        teller = threading.Thread(target=self._tell, args=(work, ended), daemon=True)
        teller.start()
        try:
            yield work
        finally:
            ended.set()
            teller.join()
            if work.told:
                self.note(work.line(self._clock()))

    def note(self, line: str) -> None:
        """Write a line of its own."""
        with self._lock:
            self._write(line)

    def _tell(self, work: _Work, ended: threading.Event) -> None:
        while not ended.wait(self._every):
            work.told = True
            self.note(work.line(self._clock()))
