"""Patches of disks: what has moved to other blocks is found again, within the bounds of a patch."""

import random

from builder.disk_segments import BLOCK, disk_segments
from bundle_format.delta import MAX_REFERENCE, SEGMENT, Segment, decode_segment, encode
from bundle_format.parallel import Workers

NOISE = random.Random(1).randbytes(8 << 20)


class Disk:
    """A RandomBlob in memory that refuses to be read beyond its end."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)

    def read_at(self, offset: int, length: int) -> bytes:
        assert 0 <= offset <= offset + length <= self.size
        return self.content[offset : offset + length]


def moved(seed: int, length: int = 64) -> Disk:
    """The same files of some blocks in another order, between them and behind them zeros."""
    files = [NOISE[at : at + length * BLOCK] for at in range(0, len(NOISE), length * BLOCK)]
    random.Random(seed).shuffle(files)
    return Disk(b"".join(file + bytes(8 * BLOCK) for file in files).ljust(3 * SEGMENT, b"\0"))


def patch(new: Disk, base: Disk, most_blocks: int = 1 << 20) -> tuple[list[Segment], int]:
    """The segments, and the size of the patch that was proved to rebuild `new`."""
    segments = list(disk_segments(new, base, most_blocks))
    with Workers(2) as pool:
        stored = list(encode(new, base, segments, pool))
    assert b"".join(decode_segment(content, base, raw) for content, raw in stored) == new.content
    return segments, sum(len(content) for content, _ in stored)


def test_files_are_found_in_other_places() -> None:
    segments, size = patch(moved(1), moved(2))
    assert size < len(NOISE) // 100
    assert [segment.span.offset for segment in segments] == [0, SEGMENT, 2 * SEGMENT]
    assert segments[2].references == ()


def test_of_a_large_disk_fewer_blocks_are_remembered() -> None:
    _, size = patch(moved(1, 256), moved(2, 256), most_blocks=1000)
    assert size < len(NOISE) // 20


def test_disks_of_other_sizes_and_nothing_in_common() -> None:
    larger, smaller = Disk(NOISE.ljust(2 * SEGMENT, b"\0") + b"end" * 1000), Disk(NOISE[: 100 * BLOCK + 700])
    _, size = patch(larger, smaller)
    assert len(NOISE) - smaller.size < size < len(NOISE)
    patch(smaller, larger)
    patch(smaller, Disk(b""))


def test_references_stay_within_the_bounds_of_a_segment() -> None:
    scattered = Disk(b"".join(NOISE[at : at + BLOCK] + bytes(15 * BLOCK) for at in range(0, 4 << 20, BLOCK)))
    segments = list(disk_segments(Disk(NOISE[: 4 << 20]), scattered))
    assert sum(span.length for span in segments[0].references) == MAX_REFERENCE
