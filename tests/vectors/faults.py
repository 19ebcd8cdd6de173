"""What a maker with a key and bad intent, or a bad tool, may get wrong, by name: for tests and for vectors."""

import struct
from collections.abc import Callable
from typing import Any

from backports import zstd

from bundle_format.canonical import parse_canonical
from bundle_format.digest import digest_of
from bundle_format.layout.frames import plain_frame
from tests.forge import Forgery

BOUNDS: dict[str, dict[str, int]] = {
    "index inside the page": {"index_offset": 4095},
    "index at the end of the numbers": {"index_offset": 2**64 - 1},
    "index beyond the trust limit": {"index_offset": 4104 + (1 << 20) + 1},
    "empty index": {"index_size": 0},
    "huge index": {"index_size": 2**63},
    "index one byte longer": {"index_size": 1},
    "table before the index": {"table_offset": 4096},
    "table at the end of the numbers": {"table_offset": 2**64 - 1},
    "payload before the table": {"payload_offset": 4096},
    "payload beyond the file": {"payload_offset": 2**63},
    "total zero": {"total": 0},
    "total beyond 2^53": {"total": 2**53},
    "total at the end of the numbers": {"total": 2**64 - 1},
}
"""Fields of the header page that place sections where they cannot lie."""


def entry_of(good: Forgery, position: int) -> dict[str, Any]:
    entry: dict[str, Any] = parse_canonical(good.index)["blobs"][position]
    return entry


UNSOUND: dict[str, Callable[[Forgery], Forgery]] = {
    "another product": lambda good: good.with_index(product="other"),
    "another channel": lambda good: good.with_index(channel="beta"),
    "another sequence": lambda good: good.with_index(sequence=2),
    "unknown key": lambda good: good.with_index(extra=1),
    "unknown format": lambda good: good.with_index(format="floto-index/2"),
    "sequence as text": lambda good: good.with_index(sequence="1"),
    "negative issue time": lambda good: good.with_index(issued=-1),
    "release with a terminal escape": lambda good: good.with_index(release="\x1b[2J"),
    "product with a path": lambda good: good.with_index(product="../etc"),
    "digest in upper case": lambda good: good.with_entry(4, digest=entry_of(good, 4)["digest"].upper()),
    "digest as a path": lambda good: good.with_entry(4, digest="sha256:../../../etc/passwd"),
    "type with a path": lambda good: good.with_entry(4, type="../x y"),
    "blob twice": lambda good: good.with_entry(3, digest=entry_of(good, 4)["digest"]),
    "no blobs": lambda good: good.with_index(blobs=[]),
    "definition not among the blobs": lambda good: good.with_index(definition=digest_of(b"nowhere")),
    "attestation not among the blobs": lambda good: good.with_index(attestations={"sbom": digest_of(b"nowhere")}),
    "size one more": lambda good: good.with_entry(4, size=entry_of(good, 4)["size"] + 1),
    "size huge": lambda good: good.with_entry(4, size=2**53 - 1),
    "size beyond json": lambda good: Forgery(
        good.page, good.trust, good.index.replace(b'"size":30,', b'"size":%d,' % 2**63), good.table, good.payload
    ),
    "frames of the next blob": lambda good: good.with_entry(4, frames=2),
    "frames beyond the table": lambda good: good.with_entry(4, frames=2**40),
    "first frame of another": lambda good: good.with_entry(4, first=0),
    "at the site in a full bundle": lambda good: good.with_entry(4, at="site", frames=0, first=0),
    "at the site with frames": lambda good: good.with_entry(4, at="site"),
    "patch without a base": lambda good: good.with_entry(4, at="patch"),
    "base without a patch": lambda good: good.with_entry(4, base=digest_of(b"base")),
    "table of another length": lambda good: good.with_table(good.table[:-40]),
    "table with half an entry": lambda good: good.with_table(good.table[:-20]),
    "empty frame": lambda good: good.with_table(good.table + bytes(40)),
    "frame too large": lambda good: good.with_table(struct.pack("<II", 2**32 - 1, 2**32 - 1) + good.table[8:]),
    "payload longer than its frames": lambda good: Forgery(
        good.page, good.trust, good.index, good.table, good.payload + b"x"
    ),
}
"""Indexes that contradict themselves, the page or the table. Entry 4 is a file of one frame."""

TEXTS: dict[str, Callable[[bytes], bytes]] = {
    "no json": lambda text: b"\xff" * 100,
    "empty": lambda text: b"{}",
    "a list": lambda text: b"[]",
    "blank after a colon": lambda text: text.replace(b'"channel":', b'"channel": '),
    "duplicate key": lambda text: text[:-1] + b',"sequence":1}',
    "float": lambda text: text.replace(b'"sequence":1', b'"sequence":1.0'),
    "nan": lambda text: text.replace(b'"sequence":1', b'"sequence":NaN'),
    "exponent": lambda text: text.replace(b'"sequence":1', b'"sequence":1e0'),
    "keys out of order": lambda text: b'{"zzz":1,' + text[1:],
    "utf-8 where an escape is due": lambda text: text.replace(b'"stable"', '"stäble"'.encode()),
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "trailing newline": lambda text: text + b"\n",
    "nested a million deep": lambda text: b"[" * 1_000_000 + b"]" * 1_000_000,
    "nested objects": lambda text: b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "integer of a million digits": lambda text: b'{"a":' + b"9" * 1_000_000 + b"}",
}
"""What is no canonical JSON, made of an index that is."""

CONTENT = b"what the blob should be " * 500


def squeezed(content: bytes, **options: int) -> bytes:
    numbers = {int(getattr(zstd.CompressionParameter, name)): value for name, value in options.items()}
    return zstd.compress(content, options=numbers)


def streamed(content: bytes, **options: int) -> bytes:
    """A frame that does not state its size."""
    return squeezed(content, content_size_flag=0, **options)


LYING: dict[str, tuple[bytes, int]] = {
    "states less than it holds": (squeezed(CONTENT), len(CONTENT) - 1),
    "states more than it holds": (squeezed(CONTENT), len(CONTENT) + 1),
    "states no size": (streamed(CONTENT), len(CONTENT)),
    "a bomb of a gigabyte": (squeezed(bytes(1 << 30)), len(CONTENT)),
    "a bomb that states no size": (streamed(bytes(1 << 30)), len(CONTENT)),
    "two frames": (squeezed(CONTENT[:100]) + squeezed(CONTENT[100:]), len(CONTENT)),
    "bytes after the frame": (squeezed(CONTENT) + b"x", len(CONTENT)),
    "a skippable frame after it": (squeezed(CONTENT) + struct.pack("<II", 0x184D2A50, 0), len(CONTENT)),
    "a skippable frame alone": (struct.pack("<II", 0x184D2A50, 100) + bytes(100), len(CONTENT)),
    "cut short": (squeezed(CONTENT)[:-1], len(CONTENT)),
    "wrong checksum": (squeezed(CONTENT, checksum_flag=1)[:-1] + b"!", len(CONTENT)),
    "a window of 128 MiB": (streamed(CONTENT, window_log=27), len(CONTENT)),
    "no zstd": (b"PK\x03\x04" + bytes(60), len(CONTENT)),
    "needs a dictionary": (
        zstd.compress(CONTENT, zstd_dict=zstd.train_dict([CONTENT + bytes([n]) for n in range(100)], 2000)),
        len(CONTENT),
    ),
    "other content": (squeezed(CONTENT.upper()), len(CONTENT)),
    "a raw-block frame of other content": (plain_frame(CONTENT.upper()), len(CONTENT)),
}
"""Stored frames, and the raw size that the table states, for a blob that should be CONTENT."""
