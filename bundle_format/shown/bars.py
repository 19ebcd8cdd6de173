"""Progress on a terminal: one bar for each piece of work that is under way (the only module that imports rich)."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.markup import escape as without_markup
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)


class _Bar:
    """One bar."""

    def __init__(self, bars: Progress, identity: TaskID) -> None:
        self._bars = bars
        self._identity = identity

    def advance(self, amount: int) -> None:
        self._bars.advance(self._identity, amount)


class ProgressBars:
    """A Progress that draws bars on `stream` while work is under way and leaves only notes behind.

    `safe` makes text from outside harmless before it is drawn.
    """

    def __init__(self, stream: TextIO, safe: Callable[[str], str]) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeElapsedColumn(),
            console=Console(file=stream, highlight=False),
            transient=True,
        )
        self._safe = safe
        self._open = 0
        self._lock = threading.Lock()

    @contextmanager
    def task(self, what: str, total: int | None = None) -> Iterator[_Bar]:
        """Open a piece of work; its bar goes when it ends."""
        identity = self._bars.add_task(without_markup(self._safe(what)), total=total)
        self._count(1)
        try:
            yield _Bar(self._bars, identity)
        finally:
            self._bars.remove_task(identity)
            self._count(-1)

    def note(self, line: str) -> None:
        """Write a line above the bars."""
        self._bars.console.print(self._safe(line), markup=False, soft_wrap=True)

    def _count(self, change: int) -> None:
        # The display runs only while something is under way, so that questions and results find a quiet terminal.
        with self._lock:
            before, self._open = self._open, self._open + change
            if before == 0:
                self._bars.start()
            elif self._open == 0:
                self._bars.stop()
