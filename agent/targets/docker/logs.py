"""What containers write: the engine's framed stream as lines with their times (API: attach, stream format)."""

import struct
from collections.abc import Iterable, Iterator
from datetime import datetime

from agent.targets.engine import LogLine

_HEADER = struct.Struct(">BxxxI")
_STREAMS = {1: "stdout", 2: "stderr"}
_LONGEST = 1 << 20


def log_lines(container: str, pieces: Iterable[bytes]) -> Iterator[LogLine]:
    """The lines in a stream of frames, each of which begins with its time.

    The engine cuts lines of more than 16 KiB into several frames; they are joined, up to 1 MiB.
    """
    parts: dict[str, tuple[str, bytes]] = {}
    for stream, content in _frames(pieces):
        time, _, text = content.partition(b" ")
        begun, before = parts.pop(stream, (time.decode("ascii", "replace"), b""))
        if text.endswith(b"\n") or len(before) > _LONGEST:
            yield _line(container, begun, stream, before + text)
        else:
            parts[stream] = (begun, before + text)
    for stream, (begun, text) in parts.items():
        yield _line(container, begun, stream, text)


def _line(container: str, time: str, stream: str, text: bytes) -> LogLine:
    return LogLine(container, time, stream, text.decode("utf-8", "replace").rstrip("\r\n"))


def _frames(pieces: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        while len(buffer) >= _HEADER.size:
            stream, size = _HEADER.unpack_from(buffer)
            end = _HEADER.size + size
            if len(buffer) < end:
                break
            yield _STREAMS.get(stream, "stdout"), bytes(buffer[_HEADER.size : end])
            del buffer[:end]


def next_moment(time: str) -> str:
    """The moment after a line's, as the engine's parameter `since` wants it: seconds with nanoseconds."""
    whole, _, fraction = time.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
    later = seconds * 10**9 + int(fraction.ljust(9, "0")[:9]) + 1
    return f"{later // 10**9}.{later % 10**9:09d}"
