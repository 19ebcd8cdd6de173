"""Compressed streams of the world outside (gzip, zstd, bzip2, xz), told by their first bytes and unpacked in pieces."""

import bz2
import itertools
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Protocol

from backports import zstd

from bundle_format.digest import CHUNK, chunks
from bundle_format.errors import DamageError


class _Decompressor(Protocol):
    """What the standard library's decompressors have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """zlib's decompressor with the manners of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        self._held_back = False

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._held_back

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        content = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        # A full answer may leave more in zlib's window, even where all input was taken.
        self._held_back = len(content) == max_length
        return content


_KINDS: tuple[tuple[bytes, Callable[[], _Decompressor]], ...] = (
    (b"\x1f\x8b", _Gzip),
    (b"\x28\xb5\x2f\xfd", zstd.ZstdDecompressor),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\0", lzma.LZMADecompressor),
)
_LONGEST_MAGIC = 6


def inflate(stream: IO[bytes]) -> Iterator[bytes]:
    """The content of `stream` without its compression, or as it is where it has none that is known.

    Several compressed streams after one another count as one. DamageError where the stream is broken or cut.
    """
    first = stream.read(_LONGEST_MAGIC)
    pieces = itertools.chain([first], chunks(stream))
    new = next((new for magic, new in _KINDS if first.startswith(magic)), None)
    return pieces if new is None else _inflated(pieces, new)


def _inflated(pieces: Iterator[bytes], new: Callable[[], _Decompressor]) -> Iterator[bytes]:
    decompressor, rest = new(), next(pieces, b"")
    try:
        while rest or (rest := next(pieces, b"")):
            if decompressor.eof:
                decompressor = new()
            yield from _unpacked(decompressor, rest)
            rest = decompressor.unused_data if decompressor.eof else b""
    except (zlib.error, zstd.ZstdError, lzma.LZMAError, OSError) as error:
        raise DamageError(f"a compressed stream is broken: {error}") from error
    if not decompressor.eof:
        raise DamageError("a compressed stream ends too early")


def _unpacked(decompressor: _Decompressor, packed: bytes) -> Iterator[bytes]:
    """What `packed` adds, in pieces of at most CHUNK bytes, so that no small input fills the memory."""
    yield decompressor.decompress(packed, CHUNK)
    while not decompressor.eof and not decompressor.needs_input:
        yield decompressor.decompress(b"", CHUNK)
