"""Frames: the pieces of at most 4 MiB that a blob is cut into, each a zstd frame of its own (SPEC.md, frames)."""

import hashlib
import struct
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import zstandard

from bundle_format.errors import DamageError

FRAME = 4 << 20
"""Raw bytes of every frame of a blob but the last."""

MAX_STORED = FRAME + (FRAME >> 12) + 64
"""No frame is stored in more bytes than its raw-block form needs."""

CODEC = f"zstd-{'.'.join(map(str, zstandard.ZSTD_VERSION))}/2"
"""Which bytes `pack` makes of a frame: the library's version and the revision of the rules in this module."""

WINDOW_LOG = 23
"""The largest window (2^23 bytes) that a frame may ask of its reader."""

_ENTRY = struct.Struct("<II32s")
ENTRY_SIZE = _ENTRY.size

_BLOCK = 128 << 10
_MAGIC = 0xFD2FB528
_SINGLE_SEGMENT_WITH_32_BIT_SIZE = 0xA0

_SAMPLE = 16 << 10
_SAMPLES = 4


@dataclass(frozen=True, slots=True)
class Frame:
    """What the frame table says of one frame: its sizes in bytes and the SHA-256 of its stored bytes."""

    stored: int
    raw: int
    sha256: bytes

    def holds(self, content: bytes) -> bool:
        """Whether `content` is this frame's stored bytes."""
        return len(content) == self.stored and hashlib.sha256(content).digest() == self.sha256


@dataclass(frozen=True, slots=True)
class PackedFrame:
    """A frame together with its stored bytes."""

    frame: Frame
    content: bytes


def cut(stream: BinaryIO) -> Iterator[bytes]:
    """The raw content of each frame of `stream`, which may hand out fewer bytes a read than asked for."""
    while piece := stream.read(FRAME):
        while len(piece) < FRAME and (more := stream.read(FRAME - len(piece))):
            piece += more
        yield piece


def pack(raw: bytes) -> PackedFrame:
    """Compress one frame: fast where a sample says that little is gained, as it is where nothing is."""
    content = _compressed(raw)
    return PackedFrame(Frame(len(content), len(raw), hashlib.sha256(content).digest()), content)


def _compressed(raw: bytes) -> bytes:
    sample = _sample(raw)
    little = len(sample) * 100 < len(_COMPRESSORS.fast.compress(sample)) * 120
    content = (_COMPRESSORS.fast if little else _COMPRESSORS.good).compress(raw)
    return content if len(content) < len(raw) else plain_frame(raw)


def _sample(raw: bytes) -> bytes:
    if len(raw) <= _SAMPLES * _SAMPLE:
        return raw
    step = len(raw) // _SAMPLES
    return b"".join(raw[step * part : step * part + _SAMPLE] for part in range(_SAMPLES))


class _Compressors(threading.local):
    """Each thread's own, for a new one asks for its memory anew at each frame."""

    def __init__(self) -> None:
        self.fast = _compressor(compression_level=1)
        # All of the frame in sight and twice the chains: a two-hundredth less for a thirtieth of the time more.
        self.good = _compressor(compression_level=3, window_log=22, chain_log=17)


def _compressor(**parameters: int) -> zstandard.ZstdCompressor:
    return zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters(
            **parameters, write_checksum=True, write_content_size=True
        )
    )


_COMPRESSORS = _Compressors()


def plain_frame(raw: bytes) -> bytes:
    """`raw` as a zstd frame of raw blocks (RFC 8878, 3.1.1): the same bytes whatever library writes it."""
    pieces = [struct.pack("<IBI", _MAGIC, _SINGLE_SEGMENT_WITH_32_BIT_SIZE, len(raw))]
    starts = range(0, len(raw), _BLOCK) or range(1)
    for start in starts:
        block = raw[start : start + _BLOCK]
        pieces += ((len(block) << 3 | (start == starts[-1])).to_bytes(3, "little"), block)
    return b"".join(pieces)


def unpack(stored: bytes, raw_size: int) -> bytes:
    """The `raw_size` bytes of a frame whose stored bytes were verified; DamageError when it is not just that."""
    try:
        stated = zstandard.get_frame_parameters(stored)
        if stated.content_size != raw_size or stated.window_size > 1 << WINDOW_LOG:
            raise DamageError("a frame states another size than the frame table, or asks for too large a window")
        raw: bytes = zstandard.ZstdDecompressor().decompress(stored, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise DamageError("a frame is not exactly one zstd frame") from error
    if len(raw) != raw_size:
        raise DamageError("a frame does not hold as many bytes as it states")
    return raw


def table_of(frames: Iterable[Frame]) -> bytes:
    """The frame table: 40 bytes a frame (SPEC.md, frame table)."""
    return b"".join(_ENTRY.pack(frame.stored, frame.raw, frame.sha256) for frame in frames)


def parse_table(table: bytes) -> Sequence[Frame]:
    """Read a frame table; ValueError when it is no whole number of entries."""
    if len(table) % ENTRY_SIZE:
        raise ValueError("the frame table does not consist of whole entries")
    return [Frame(*entry) for entry in _ENTRY.iter_unpack(table)]
