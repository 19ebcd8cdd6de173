"""A blob's file in a store: its frames, their table in a skippable frame, and a footer (SPEC.md, store)."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import ClassVar

from bundle_format.errors import DamageError
from bundle_format.layout.frames import ENTRY_SIZE, Frame, parse_table, table_of
from bundle_format.layout.medium import FileMedium

_SKIPPABLE = struct.Struct("<II")
_MAGIC = 0x184D2A5E
_FOOTER = struct.Struct("<QI24s12s")  # raw size, number of frames, codec, mark
_MARK = b"FLOTO-BLOB/1"

COMES_AGAIN = (
    "a build fetches it again, and a site gets it by a full bundle of a release that has it: floto-agent apply"
)
"""What brings a blob back to a store that has lost it."""


def tail_of(frames: Sequence[Frame], codec: str) -> bytes:
    """What follows the frames in a blob's file; the file remains one valid zstd stream."""
    size = sum(frame.raw for frame in frames)
    content = table_of(frames) + _FOOTER.pack(size, len(frames), codec.encode("ascii"), _MARK)
    return _SKIPPABLE.pack(_MAGIC, len(content)) + content


@dataclass(frozen=True, slots=True)
class BlobFile:
    """An open blob file: the raw size, the codec that made the frames, the frames and where each begins."""

    medium: FileMedium
    size: int
    codec: str
    frames: Sequence[Frame]
    offsets: Sequence[int]
    in_any_order: ClassVar = True

    def read(self, number: int) -> bytes:
        """What lies where frame `number` should."""
        return self.medium.read_at(self.offsets[number], self.frames[number].stored)

    def verified(self, number: int, content: bytes) -> bytes:
        """`content`, if it is frame `number` as it was written; DamageError otherwise."""
        if not self.frames[number].holds(content):
            raise DamageError(f"{self.medium.path}: frame {number} is damaged", hint=f"remove the file; {COMES_AGAIN}")
        return content


def open_blob_file(path: Path) -> BlobFile:
    """Open a blob's file; MissingError when there is none, DamageError when its table cannot be right."""
    medium = FileMedium(path)
    try:
        return _read(medium)
    except (ValueError, struct.error) as error:
        medium.close()
        raise DamageError(f"{path} is damaged: {error}", hint=f"remove the file; {COMES_AGAIN}") from error


def _read(medium: FileMedium) -> BlobFile:
    size, count, codec, mark = _FOOTER.unpack(medium.read_at(max(0, medium.size - _FOOTER.size), _FOOTER.size))
    length = count * ENTRY_SIZE + _FOOTER.size
    start = medium.size - length
    head = medium.read_at(max(0, start - _SKIPPABLE.size), _SKIPPABLE.size)
    if mark != _MARK or head != _SKIPPABLE.pack(_MAGIC, length):
        raise ValueError("it does not end as a blob's file does")
    frames = parse_table(medium.read_at(start, count * ENTRY_SIZE))
    offsets = [0, *accumulate(frame.stored for frame in frames)]
    if offsets[-1] != start - _SKIPPABLE.size or sum(frame.raw for frame in frames) != size:
        raise ValueError("the frame table does not fit the file")
    return BlobFile(medium, size, codec.rstrip(b"\0").decode("ascii"), frames, offsets)
