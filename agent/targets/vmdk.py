"""Raw disks in the form that hypervisors import: stream-optimized VMDKs (VMware, Virtual Disk Format 5.0).

The same disk makes the same bytes, with any number of threads. Grains of zeros take no room.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import BinaryIO

from bundle_format.errors import DamageError
from bundle_format.layout.frames import cut
from bundle_format.parallel import Workers

SECTOR = 512
GRAIN = 64 << 10
"""Raw bytes that are compressed by themselves."""

_ENTRIES = 512  # of one grain table, which so covers 32 MiB
_LEVEL = 1
_NOTHING = bytes(GRAIN)

_HEADER = struct.Struct("<4sIIQQQQIQQQB4sH433x")
_VERSION = 3
_FLAGS = 0x30001  # line ends tell damage by text transfers; grains are compressed; markers stand between the parts
_AT_END = 0xFFFF_FFFF_FFFF_FFFF  # the grain directory is where the footer says
_DEFLATE = 1
_DESCRIPTOR_AT, _DESCRIPTOR_SECTORS, _FIRST_GRAIN = 1, 20, 128  # in sectors
_DESCRIPTOR = """\
# Disk DescriptorFile
version=1
CID=fffffffe
parentCID=ffffffff
createType="streamOptimized"

# Extent description
RDONLY {sectors} SPARSE "disk.vmdk"

# The Disk Data Base
ddb.virtualHWVersion = "13"
ddb.adapterType = "lsilogic"
ddb.geometry.cylinders = "{cylinders}"
ddb.geometry.heads = "255"
ddb.geometry.sectors = "63"
"""

_GRAIN_HEAD = struct.Struct("<QI")  # its first sector on the disk, the number of its compressed bytes
_MARKER = struct.Struct("<QII496x")  # sectors that follow, zero, kind
_END, _TABLE, _DIRECTORY, _FOOTER = range(4)


def stream_optimized(raw: BinaryIO, size: int, pool: Workers) -> Iterator[bytes]:
    """The VMDK of a raw disk of `size` bytes, in pieces; `pool` compresses, and a few frames are in memory at once.

    DamageError when `raw` has another size, or one that is no whole number of sectors.
    """
    if size % SECTOR or not size:
        raise DamageError(f"a disk of {size} bytes is no whole number of sectors")
    yield _header(size, _AT_END) + _descriptor(size).ljust((_FIRST_GRAIN - _DESCRIPTOR_AT) * SECTOR, b"\0")
    at, directory = _FIRST_GRAIN, list[int]()
    grains = _grains(raw, size, pool)
    for _ in range(0, size, _ENTRIES * GRAIN):
        table = list[int]()
        for grain in islice(grains, _ENTRIES):
            table.append(at if grain else 0)
            if grain:
                yield grain
                at += len(grain) // SECTOR
        directory.append(at + 1 if any(table) else 0)
        if any(table):
            yield (marked := _marked(_TABLE, table + [0] * (_ENTRIES - len(table))))
            at += len(marked) // SECTOR
    for _ in grains:
        pass  # there are none, which its end has to tell
    yield _marked(_DIRECTORY, directory)
    yield _MARKER.pack(1, 0, _FOOTER) + _header(size, at + 1)
    yield _MARKER.pack(0, 0, _END)


def _grains(raw: BinaryIO, size: int, pool: Workers) -> Iterator[bytes]:
    """Each grain as it is stored; empty where there is nothing but zeros."""
    done = 0
    for several in pool.in_order(_stored, _placed(raw)):
        done += sum(length for length, _ in several)
        if done > size:
            break
        yield from (grain for _, grain in several)
    if done != size:
        raise DamageError(f"a disk of {size} bytes is to be sent, but there are {'more' if done > size else done}")


def _placed(raw: BinaryIO) -> Iterator[tuple[int, bytes]]:
    start = 0
    for piece in cut(raw):
        yield start, piece
        start += len(piece)


def _stored(placed: tuple[int, bytes]) -> list[tuple[int, bytes]]:
    """The grains of a piece of the disk, each with the number of its raw bytes."""
    start, piece = placed
    grains = [(at, piece[at : at + GRAIN]) for at in range(0, len(piece), GRAIN)]
    return [(len(grain), _packed(start + at, grain.ljust(GRAIN, b"\0"))) for at, grain in grains]


def _packed(start: int, grain: bytes) -> bytes:
    if grain == _NOTHING:
        return b""
    packed = zlib.compress(grain, _LEVEL)
    return _padded(_GRAIN_HEAD.pack(start // SECTOR, len(packed)) + packed)


def _header(size: int, directory: int) -> bytes:
    return _HEADER.pack(
        *(b"KDMV", _VERSION, _FLAGS, -(-size // GRAIN) * (GRAIN // SECTOR), GRAIN // SECTOR),
        *(_DESCRIPTOR_AT, _DESCRIPTOR_SECTORS, _ENTRIES, 0, directory, _FIRST_GRAIN),
        *(0, b"\n \r\n", _DEFLATE),
    )


def _descriptor(size: int) -> bytes:
    sectors = -(-size // GRAIN) * (GRAIN // SECTOR)
    return _DESCRIPTOR.format(sectors=sectors, cylinders=max(sectors // (255 * 63), 1)).encode("ascii")


def _marked(kind: int, numbers: Sequence[int]) -> bytes:
    content = _padded(struct.pack(f"<{len(numbers)}I", *numbers))
    return _MARKER.pack(len(content) // SECTOR, 0, kind) + content


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % SECTOR)
