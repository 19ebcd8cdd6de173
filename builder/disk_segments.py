"""Cuts a disk into the segments of a patch, each of which refers to its blocks wherever they lie in the older disk.

File systems keep files in blocks of 4 KiB, and in other places each time that a disk is made.
"""

import hashlib
from collections.abc import Iterator

from bundle_format.delta import SEGMENT, RandomBlob, Segment, Span, merged

BLOCK = 4 << 10
MOST_BLOCKS = 1 << 20
"""Blocks of the older disk that are remembered, in about 120 bytes of memory each."""

_GAP = 64 << 10  # what lies between two blocks is likely to be of use as well
_NOTHING = bytes(BLOCK)


def disk_segments(new: RandomBlob, base: RandomBlob, most_blocks: int = MOST_BLOCKS) -> Iterator[Segment]:
    """Segments of `new` in its order; both disks are read once, piece by piece."""
    known = _known(base, most_blocks)
    for start, content in _pieces(new):
        blocks = list(_blocks(content))
        found = {known[name] for _, name in blocks if name in known}
        own = {start + at for at, _ in blocks if start + at < base.size}
        spans = (Span(at, min(BLOCK, base.size - at)) for at in found | own)
        yield Segment(Span(start, len(content)), merged(spans, _GAP))


def _known(base: RandomBlob, most: int) -> dict[bytes, int]:
    """Where the blocks of a disk lie: all, or as many as may be, one of 2, 4, 8 ... everywhere."""
    known, one_of = dict[bytes, int](), 1
    for start, content in _pieces(base):
        for at, name in _blocks(content):
            if _remembered(name, one_of):
                known.setdefault(name, start + at)
        while len(known) > most:
            one_of *= 2
            known = {name: offset for name, offset in known.items() if _remembered(name, one_of)}
    return known


def _pieces(disk: RandomBlob) -> Iterator[tuple[int, bytes]]:
    for start in range(0, disk.size, SEGMENT):
        yield start, disk.read_at(start, min(SEGMENT, disk.size - start))


def _blocks(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Where each block begins that holds more than zeros, and what names its content."""
    for at in range(0, len(content), BLOCK):
        block = content[at : at + BLOCK]
        if block != _NOTHING:
            yield at, hashlib.blake2b(block, digest_size=8).digest()


def _remembered(name: bytes, one_of: int) -> bool:
    # By their content, which spreads those that remain over the whole disk.
    return int.from_bytes(name, "big") % one_of == 0
