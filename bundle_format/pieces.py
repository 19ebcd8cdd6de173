"""Bytes that come in pieces, one made after the other, as a readable stream."""

import io
from collections.abc import Callable, Iterator
from typing import BinaryIO


def stream_of(pieces: Iterator[bytes], close: Callable[[], None] = lambda: None) -> BinaryIO:
    """`pieces` as a buffered stream; closing it ends a generator of them, then calls `close`."""
    return io.BufferedReader(_Pieces(pieces, close), buffer_size=1 << 16)


class _Pieces(io.RawIOBase):
    def __init__(self, pieces: Iterator[bytes], close: Callable[[], None]) -> None:
        self._pieces = pieces
        self._close = close
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def close(self) -> None:
        if not self.closed:
            self._rest = memoryview(b"")
            if hasattr(self._pieces, "close"):
                self._pieces.close()
            self._close()
        super().close()
