"""The header page and the frame of every section: the only module that knows the bytes before the first blob.

SPEC.md, header page. Everything here has a fixed place, so that nothing is parsed before a signature holds.
"""

import hashlib
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

from bundle_format.digest import Digest
from bundle_format.errors import DamageError, FlotoError
from bundle_format.trust.signing import SLOTS_SIZE, Signature, decode_slots, encode_slots

PAGE_SIZE = 4096
SIGNED_SIZE = 256
VERSION = (1, 0)

MAX_TRUST = 1 << 20
MAX_INDEX = 16 << 20
MAX_TABLE = 32 << 20
MAX_TOTAL = 2**53

SECTION_HEAD = 8
"""Bytes before the content of a section: the head of a skippable zstd frame (RFC 8878, 3.1.2)."""

_SECTION = struct.Struct("<II")
_SKIPPABLE = 0x184D2A5F
_MARK = b"FLOTO\r\n\x1a"
_PREFIX = b"floto/bundle-header/v1\0"
_CHECKED_SIZE = SIGNED_SIZE - 4
_FIELDS = struct.Struct("<II8sHHIQQQQQ32sQQQI4x32s32s")


class Kind(IntEnum):
    """What a bundle is: everything its release needs, or that which certain sites lack."""

    FULL = 0
    DELTA = 1


@dataclass(frozen=True, slots=True)
class Page:
    """The header page. Offsets and sizes are bytes of the file; digests are raw SHA-256."""

    kind: int
    total: int
    index_offset: int
    index_size: int
    index_sha256: bytes
    table_offset: int
    payload_offset: int
    sequence: int
    minimum_root: int
    channel_id: bytes
    trust_sha256: bytes
    version: tuple[int, int] = VERSION
    incompatible: int = 0
    compatible: int = 0
    signatures: tuple[Signature, ...] = ()

    @property
    def signed(self) -> bytes:
        """The 256 bytes that signatures cover."""
        fields = _FIELDS.pack(
            _SKIPPABLE,
            PAGE_SIZE - SECTION_HEAD,
            _MARK,
            *self.version,
            self.kind,
            self.incompatible,
            self.compatible,
            self.total,
            self.index_offset,
            self.index_size,
            self.index_sha256,
            self.table_offset,
            self.payload_offset,
            self.sequence,
            self.minimum_root,
            self.channel_id,
            self.trust_sha256,
        ).ljust(_CHECKED_SIZE, b"\0")
        return fields + zlib.crc32(fields).to_bytes(4, "little")

    @property
    def message(self) -> bytes:
        """The 279 bytes that a key signs."""
        return message_of(self.signed)

    @property
    def index_digest(self) -> Digest:
        """The digest of the index: the bundle's own name."""
        return Digest("sha256:" + self.index_sha256.hex())

    @property
    def mirror_offset(self) -> int:
        """Where the copy of the trust section, the index and the frame table begins."""
        return self.total - self.payload_offset

    def to_bytes(self) -> bytes:
        """The whole page, 4096 bytes."""
        return (self.signed + encode_slots(self.signatures)).ljust(PAGE_SIZE, b"\0")


def message_of(page: bytes) -> bytes:
    """The 279 bytes that a key signs: of the page as it lies there, whatever this program makes of it."""
    return _PREFIX + page[:SIGNED_SIZE]


def read_page(content: bytes) -> Page:
    """Read a header page; DamageError unless every byte is one that this format can have written.

    Nothing that the page says may be relied upon before its signatures were judged.
    """
    if len(content) != PAGE_SIZE:
        raise DamageError("this is no bundle, or it is cut short within its header page")
    skippable, size, mark, major, minor, kind, *rest = _FIELDS.unpack_from(content)
    if (skippable, size, mark) != (_SKIPPABLE, PAGE_SIZE - SECTION_HEAD, _MARK):
        raise DamageError("this is no bundle, or its header page is damaged")
    if zlib.crc32(content[:_CHECKED_SIZE]).to_bytes(4, "little") != content[_CHECKED_SIZE:SIGNED_SIZE]:
        raise DamageError("the header page is damaged: its checksum is wrong")
    try:
        signatures = decode_slots(content[SIGNED_SIZE : SIGNED_SIZE + SLOTS_SIZE])
    except ValueError as error:
        raise DamageError(f"the header page is damaged: {error}") from error
    incompatible, compatible, total, *sections = rest
    index_offset, index_size, index_sha256, table_offset, payload_offset, *identity = sections
    sequence, minimum_root, channel, trust_sha256 = identity
    return Page(
        kind=kind,
        total=total,
        index_offset=index_offset,
        index_size=index_size,
        index_sha256=index_sha256,
        table_offset=table_offset,
        payload_offset=payload_offset,
        sequence=sequence,
        minimum_root=minimum_root,
        channel_id=channel,
        trust_sha256=trust_sha256,
        version=(major, minor),
        incompatible=incompatible,
        compatible=compatible,
        signatures=signatures,
    )


def check_bounds(page: Page) -> None:
    """DamageError unless the sections follow one another within their limits: holds for a page not judged yet, too."""
    trust = page.index_offset - PAGE_SIZE - SECTION_HEAD
    table = page.payload_offset - page.table_offset - SECTION_HEAD
    if not (
        0 <= trust <= MAX_TRUST
        and 0 < page.index_size <= MAX_INDEX
        and page.table_offset == page.index_offset + SECTION_HEAD + page.index_size
        and 0 <= table <= MAX_TABLE
        and 2 * page.payload_offset <= page.total < MAX_TOTAL
    ):
        raise DamageError("the header page places its sections where they cannot lie")


def check_understood(page: Page, content: bytes) -> None:
    """FlotoError when a newer agent is needed, DamageError for a byte that says nothing; for a judged page only."""
    if page.version[0] != VERSION[0] or page.incompatible or page.kind not in set(Kind):
        major, minor = page.version
        raise FlotoError(
            f"the bundle is of format {major}.{minor}, kind {page.kind}, features {page.incompatible:#x}: "
            f"this program reads format {VERSION[0]}",
            hint="use a newer agent",
        )
    if page.to_bytes() != content:
        raise DamageError("the header page has bytes that say nothing")


def section(content: bytes) -> bytes:
    """A section of the file: `content` in a skippable zstd frame."""
    return _SECTION.pack(_SKIPPABLE, len(content)) + content


def section_content(stored: bytes) -> bytes:
    """What a section holds; ValueError when its head is not that of a section of its size."""
    if len(stored) < SECTION_HEAD or _SECTION.pack(_SKIPPABLE, len(stored) - SECTION_HEAD) != stored[:SECTION_HEAD]:
        raise ValueError("not the head of a section")
    return stored[SECTION_HEAD:]


def sha256(content: bytes) -> bytes:
    """A raw digest, as the header page holds them."""
    return hashlib.sha256(content).digest()
