"""A blob told as differences from another: segments, each compressed against ranges of a base (SPEC.md, patches)."""

import re
import struct
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import RawIOBase
from itertools import pairwise
from typing import Protocol

from backports import zstd

from bundle_format.errors import DamageError
from bundle_format.parallel import Workers

SEGMENT = 16 << 20
"""Raw bytes of one segment, the last excepted; a segment never exceeds twice as many."""

SLACK = 4 << 20
"""How far around its expected place a piece of a large member is looked for in the base."""

MAX_REFERENCE = 40 << 20
"""Bytes of the base that one segment may refer to; with SEGMENT it bounds the memory of both sides."""

WINDOW_LOG = 27
"""The largest window (2^27 bytes) that a patch may ask of its reader."""

_HEAD = struct.Struct("<III")  # magic and size of a skippable zstd frame, number of references
_MAGIC = 0x184D2A5D
_RANGE = struct.Struct("<QI")
_MAX_RANGES = 1 << 16

# Frames are made by zstandard, which knows no prefixes, and with a mere dictionary a patch saves nothing: patches use
# the standard library's zstd of Python 3.14 in its backport. Measured on rebuilt layers, one large hash table over the
# whole reference, with matches of at least seven bytes, makes smaller patches than long-distance matching or any
# higher level, and makes them faster.
_OPTIONS = {
    int(zstd.CompressionParameter.compression_level): 1,
    int(zstd.CompressionParameter.hash_log): 23,
    int(zstd.CompressionParameter.min_match): 7,
    int(zstd.CompressionParameter.window_log): WINDOW_LOG,
    int(zstd.CompressionParameter.checksum_flag): 1,
}


class RandomBlob(Protocol):
    """A blob's raw bytes, readable anywhere and from several threads."""

    size: int

    def read_at(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`; an error of ours when they are not to be had."""


@dataclass(frozen=True, slots=True)
class Span:
    """`length` bytes from `offset`."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """The first offset after the span."""
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class Segment:
    """A span of the new blob and the spans of the base that it resembles, in the base's order."""

    span: Span
    references: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """A tar member: its path and the span of its header and content; a blob that is no tar is one member."""

    path: str
    span: Span


def members_of(blob: RandomBlob) -> tuple[Member, ...]:
    """The members of a tar, covering every byte of it; one nameless member for anything else."""
    try:
        with tarfile.open(fileobj=_Cursor(blob), mode="r:") as archive:
            starts = [(entry.offset, entry.name) for entry in archive]
    except (tarfile.TarError, ValueError, EOFError):
        starts = []
    if not starts or starts[0][0] != 0:
        return (Member("", Span(0, blob.size)),)
    ends = [*(offset for offset, _ in starts[1:]), blob.size]
    return tuple(Member(path, Span(start, end - start)) for (start, path), end in zip(starts, ends, strict=True))


def resemblance(new: Sequence[Member], base: Sequence[Member]) -> int:
    """Bytes of `new` whose path, versions aside, exists in `base`: how good a base it promises to be."""
    known = {_without_version(member.path) for member in base}
    return sum(member.span.length for member in new if _without_version(member.path) in known)


def segments_of(new: Sequence[Member], base: Sequence[Member]) -> Iterator[Segment]:
    """Cut a blob into segments at its members' borders and give each the base's members of the same paths."""
    by_path = {member.path: member.span for member in base}
    by_stem = {_without_version(member.path): member.span for member in base}
    start, references = 0, list[Span]()
    end = 0
    for member in new:
        old = by_path.get(member.path) or by_stem.get(_without_version(member.path))
        for piece in _pieces(member.span):
            if piece.end - start > SEGMENT and piece.offset > start:
                yield Segment(Span(start, piece.offset - start), merged(references))
                start, references = piece.offset, []
            if old is not None:
                references.append(_aligned(piece, member.span, old))
            end = piece.end
    if end > start:
        yield Segment(Span(start, end - start), merged(references))


def encode(
    new: RandomBlob, base: RandomBlob, segments: Iterable[Segment], pool: Workers, ahead: int = 3
) -> Iterator[tuple[bytes, int]]:
    """Yield each segment's stored bytes and raw length, in order; at most `ahead` segments are in memory."""

    def one(segment: Segment) -> tuple[bytes, int]:
        content = new.read_at(segment.span.offset, segment.span.length)
        return _encode_segment(content, base, segment.references), len(content)

    return pool.in_order(one, segments, ahead)


def _encode_segment(content: bytes, base: RandomBlob, references: Sequence[Span]) -> bytes:
    prefix = b"".join(base.read_at(span.offset, span.length) for span in references)
    body = b"".join(_RANGE.pack(span.offset, span.length) for span in references)
    body += zstd.compress(content, options=_OPTIONS, zstd_dict=_prefix(prefix))
    return _HEAD.pack(_MAGIC, len(body) + 4, len(references)) + body


def decode_segment(stored: bytes, base: RandomBlob, raw_length: int) -> bytes:
    """Rebuild one segment; DamageError when it does not lead to exactly `raw_length` bytes within the bounds."""
    references, body = _references(stored, base.size)
    prefix = b"".join(base.read_at(span.offset, span.length) for span in references)
    decompressor = zstd.ZstdDecompressor(
        zstd_dict=_prefix(prefix), options={int(zstd.DecompressionParameter.window_log_max): WINDOW_LOG}
    )
    try:
        content = decompressor.decompress(body, raw_length + 1)
    except zstd.ZstdError as error:
        raise DamageError("a patch segment does not decompress") from error
    if len(content) != raw_length or not decompressor.eof or decompressor.unused_data:
        raise DamageError("a patch segment does not have the length that the frame table states")
    return content


def _references(stored: bytes, base_size: int) -> tuple[list[Span], bytes]:
    if len(stored) < _HEAD.size:
        raise DamageError("a patch segment is cut short")
    magic, size, count = _HEAD.unpack_from(stored)
    end = _HEAD.size + count * _RANGE.size
    if magic != _MAGIC or size != len(stored) - 8:
        raise DamageError("a patch segment is not one skippable frame")
    if count > _MAX_RANGES or len(stored) < end:
        raise DamageError("a patch segment's reference list is out of bounds")
    spans = [Span(*_RANGE.unpack_from(stored, at)) for at in range(_HEAD.size, end, _RANGE.size)]
    if any(span.end > base_size for span in spans) or sum(span.length for span in spans) > MAX_REFERENCE:
        raise DamageError("a patch segment refers to bytes that its base does not have")
    return spans, stored[end:]


def _prefix(content: bytes) -> tuple[zstd.ZstdDict, int] | None:
    # A dictionary of fewer than eight bytes is refused by zstd; nothing can be saved with one either.
    return zstd.ZstdDict(content, is_raw=True).as_prefix if len(content) >= 8 else None


def _pieces(span: Span) -> Iterator[Span]:
    if span.length <= SEGMENT:
        yield span
        return
    cuts = [*range(span.offset, span.end, SEGMENT), span.end]
    for start, end in pairwise(cuts):
        yield Span(start, end - start)


def _aligned(piece: Span, member: Span, old: Span) -> Span:
    """Where in the base's member a piece of the new member is to be expected."""
    if piece == member and old.length <= MAX_REFERENCE // 2:
        return old
    shift = (piece.offset - member.offset) * old.length // member.length
    start = max(old.offset, old.offset + shift - SLACK)
    end = min(old.end, old.offset + shift + piece.length + SLACK)
    return Span(start, max(0, end - start))


def merged(spans: Iterable[Span], gap: int = 0) -> tuple[Span, ...]:
    """The spans in order, joined where they are at most `gap` bytes apart, cut off where the bounds are reached."""
    joined = list[Span]()
    for span in sorted((span for span in spans if span.length), key=lambda span: span.offset):
        if joined and span.offset <= joined[-1].end + gap:
            joined[-1] = Span(joined[-1].offset, max(span.end, joined[-1].end) - joined[-1].offset)
        else:
            joined.append(span)
    kept, room = list[Span](), MAX_REFERENCE
    for span in joined[:_MAX_RANGES]:
        kept.append(Span(span.offset, min(span.length, room)))
        room -= kept[-1].length
        if room <= 0:
            break
    return tuple(kept)


def _without_version(path: str) -> str:
    return re.sub(r"\d[\d.+~-]*", "#", path)


class _Cursor(RawIOBase):
    """A RandomBlob as the seekable stream that tarfile wants."""

    def __init__(self, blob: RandomBlob) -> None:
        self._blob = blob
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        left = self._blob.size - self._at
        piece = self._blob.read_at(self._at, left if size < 0 else min(size, left))
        self._at += len(piece)
        return piece

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._blob.size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
