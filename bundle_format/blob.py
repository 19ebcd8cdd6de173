"""A blob that lies in frames, in a store or in a bundle: read whole, in pieces, or frame by frame."""

import hashlib
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol, TypeVar

from bundle_format.digest import Digest, hex_of
from bundle_format.errors import DamageError
from bundle_format.layout.frames import FRAME, Frame, PackedFrame, unpack
from bundle_format.parallel import Workers
from bundle_format.pieces import stream_of

Output = TypeVar("Output")

_KEPT = 4


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes by name: the digest and the number of the raw bytes."""

    digest: Digest
    size: int


class FrameSource(Protocol):
    """Where a blob's frames lie: `frames` says what each must be, numbers count from the blob's first."""

    @property
    def in_any_order(self) -> bool:
        """Whether frames may be read in any order, several at once; a pipe, or a stick, wants them one by one."""

    @property
    def frames(self) -> Sequence[Frame]:
        """The blob's part of a frame table."""

    def read(self, number: int) -> bytes:
        """What lies where the frame should; but for `in_any_order` and `read_at` called in the order of the frames."""

    def verified(self, number: int, content: bytes) -> bytes:
        """`content`, or else what another copy has, if it is the frame's stored bytes; DamageError otherwise."""


class FramedBlob:
    """An open blob; every frame's stored bytes are verified before they are used (SPEC.md, reading order)."""

    def __init__(
        self, blob: Blob, source: FrameSource, pool: Workers, close: Callable[[], None] = lambda: None
    ) -> None:
        self.blob = blob
        self.size = blob.size
        self.frames = source.frames
        self._source = source
        self._pool = pool
        self._close = close
        self._recent = dict[int, bytes]()
        self._recent_lock = threading.Lock()

    def __enter__(self) -> "FramedBlob":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def packed(self) -> Generator[PackedFrame]:
        """The frames with their stored bytes, in order, read ahead in parallel."""
        return self._each(lambda number, content: PackedFrame(self.frames[number], self._verified(number, content)))

    def raw(self) -> Generator[bytes]:
        """The raw content of each frame in order; the last comes only once the whole blob's digest was right."""
        return proven(self.blob, self._each(self._unpacked))

    def read_all(self, limit: int) -> bytes:
        """The whole of a small blob; DamageError when it has more than `limit` bytes."""
        if self.size > limit:
            raise DamageError(f"blob {self.blob.digest} has {self.size} bytes where at most {limit} are expected")
        return b"".join(self.raw())

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
        return stream_of(self.raw(), self._close)

    def _each(self, work: Callable[[int, bytes], Output]) -> Generator[Output]:
        """`work` on the number and what lies there of each frame, in parallel, in their order."""
        numbers = range(len(self.frames))
        if self._source.in_any_order:
            return self._pool.in_order(lambda number: work(number, self._source.read(number)), numbers)
        contents = ((number, self._source.read(number)) for number in numbers)
        return self._pool.in_order(lambda numbered: work(*numbered), contents)

    def _verified(self, number: int, content: bytes) -> bytes:
        return self._source.verified(number, content)

    def _unpacked(self, number: int, content: bytes) -> bytes:
        return unpack(self._verified(number, content), self.frames[number].raw)

    def _remembered(self, number: int) -> bytes:
        with self._recent_lock:
            known = self._recent.pop(number, None)
            if known is not None:
                self._recent[number] = known
                return known
        raw = self._unpacked(number, self._source.read(number))
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
