"""A blob that lies in frames, in a store or in a bundle: read whole, in pieces, or frame by frame."""

import hashlib
import io
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import BinaryIO

from bundle_format.digest import Digest, hex_of
from bundle_format.errors import DamageError
from bundle_format.layout.frames import FRAME, Frame, PackedFrame, unpack
from bundle_format.parallel import in_order

_KEPT = 4


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes by name: the digest and the number of the raw bytes."""

    digest: Digest
    size: int


class FramedBlob:
    """An open blob; every frame's stored bytes are verified before they are used (SPEC.md, reading order)."""

    def __init__(
        self,
        blob: Blob,
        frames: Sequence[Frame],
        load: Callable[[int], bytes],
        pool: Executor,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        """`load(n)` reads the stored bytes of frame `n` and raises DamageError unless they are the right ones."""
        self.blob = blob
        self.size = blob.size
        self.frames = frames
        self._load = load
        self._pool = pool
        self._close = close
        self._recent = dict[int, bytes]()
        self._recent_lock = threading.Lock()

    def __enter__(self) -> "FramedBlob":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def packed(self) -> Iterator[PackedFrame]:
        """The frames with their stored bytes, in order, read ahead in parallel."""
        contents = in_order(self._pool, self._load, range(len(self.frames)))
        for frame, content in zip(self.frames, contents, strict=True):
            yield PackedFrame(frame, content)

    def raw(self) -> Generator[bytes]:
        """The raw content of each frame in order; the last comes only once the whole blob's digest was right."""
        return proven(self.blob, in_order(self._pool, self._unpacked, range(len(self.frames))))

    def read_at(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`; ValueError when the blob does not have them. Safe from threads."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise ValueError(f"bytes {offset} to {offset + length} of a blob of {self.size}")
        pieces = []
        while length > 0:
            start = offset % FRAME
            piece = self._remembered(offset // FRAME)[start : start + length]
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
        return b"".join(pieces)

    def open(self) -> BinaryIO:
        """The raw bytes as a stream; closing it closes the blob."""
        return io.BufferedReader(_Chunks(self.raw(), self._close), buffer_size=1 << 16)

    def _unpacked(self, number: int) -> bytes:
        return unpack(self._load(number), self.frames[number].raw)

    def _remembered(self, number: int) -> bytes:
        with self._recent_lock:
            known = self._recent.pop(number, None)
            if known is not None:
                self._recent[number] = known
                return known
        raw = self._unpacked(number)
        with self._recent_lock:
            self._recent[number] = raw
            while len(self._recent) > _KEPT:
                self._recent.pop(next(iter(self._recent)))
        return raw


def proven(blob: Blob, pieces: Iterable[bytes]) -> Generator[bytes]:
    """Pass `pieces` on, one held back until all together are seen to be `blob`; DamageError when they are not."""
    hasher = hashlib.sha256()
    size, held = 0, None
    for piece in pieces:
        hasher.update(piece)
        size += len(piece)
        if held is not None:
            yield held
        held = piece
    if size != blob.size or hasher.hexdigest() != hex_of(blob.digest):
        raise DamageError(f"blob {blob.digest} does not have the content that its name promises")
    if held is not None:
        yield held


class _Chunks(io.RawIOBase):
    """An iterator of pieces as a readable stream."""

    def __init__(self, pieces: Generator[bytes], close: Callable[[], None]) -> None:
        self._pieces = pieces
        self._closing = close
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
            self._pieces.close()
            self._closing()
        super().close()
