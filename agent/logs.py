"""Lines of several containers as one: in the order of their times, or as they come."""

import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from queue import SimpleQueue
from threading import Thread

from agent.targets.engine import LogLine
from bundle_format.errors import FlotoError

Read = Callable[[], Iterator[LogLine]]
"""Opens the lines of one container."""


def merged(sources: Mapping[str, Read]) -> Iterator[LogLine]:
    """All lines there are, oldest first; each source gives its own in order."""
    return heapq.merge(*(_all_of(name, read) for name, read in sources.items()), key=lambda line: line.time)


def followed(sources: Mapping[str, Read]) -> Iterator[LogLine]:
    """Lines as they come, for as long as any source gives some."""
    lines: SimpleQueue[LogLine | None] = SimpleQueue()

    def pump(name: str, read: Read) -> None:
        try:
            for line in _all_of(name, read):
                lines.put(line)
        finally:
            lines.put(None)

    for name, read in sources.items():
        Thread(target=pump, args=(name, read), daemon=True).start()
    for _ in sources:
        yield from iter(lines.get, None)


def _all_of(name: str, read: Read) -> Iterator[LogLine]:
    """The lines of one source; why it has no more is a line of its own, so that the others go on."""
    try:
        yield from read()
    except FlotoError as error:
        yield LogLine(name, "", "stderr", f"(no lines: {error.message})")


def matching(lines: Iterable[LogLine], pattern: re.Pattern[str] | None) -> Iterator[LogLine]:
    """The lines in which `pattern` is found."""
    return (line for line in lines if pattern is None or pattern.search(line.text))
