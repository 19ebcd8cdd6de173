"""Signed documents beside bundles: a page at fixed offsets, then a JSON payload (SPEC.md, signed documents).

The page is read at fixed offsets and its signatures are counted before the payload reaches a JSON parser.
"""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum

from bundle_format.digest import Digest, digest_of
from bundle_format.trust.signing import SLOTS_SIZE, Signature, decode_slots, encode_slots, with_signature

PAGE_SIZE = 4096
SIGNED_SIZE = 256
PAYLOAD_LIMIT = 64 * 1024
"""Bytes of JSON in one document."""

CHAIN_LIMIT = 1024 * 1024
"""Bytes of root documents that a bundle carries at most."""

_MAGIC = b"FLOTODOC\r\n\x1a\n"
_FORMAT = 1
_HEAD = struct.Struct("<12sIIIQ32s32s")


class Kind(IntEnum):
    """What a document says; each kind is signed under a prefix of its own."""

    ROOT = 1
    AUTHORISATION = 2


_PREFIXES = {Kind.ROOT: b"floto/root-document/v1\0", Kind.AUTHORISATION: b"floto/authorisation/v1\0"}


@dataclass(frozen=True, slots=True)
class Document:
    """A root document or an authorisation of one product, with whatever signatures it has so far."""

    kind: Kind
    product_id: bytes
    version: int
    payload: bytes
    signatures: tuple[Signature, ...] = ()

    @property
    def message(self) -> bytes:
        """The 279 bytes that a key signs."""
        return _PREFIXES[self.kind] + self._head()

    @property
    def fingerprint(self) -> Digest:
        """The digest of the payload: signatures may be added without changing it."""
        return digest_of(self.payload)

    def signed(self, signature: Signature) -> "Document":
        """The document with one more signature."""
        return replace(self, signatures=with_signature(self.signatures, signature))

    def to_bytes(self) -> bytes:
        """Page and payload, as they lie in a file or in a bundle's trust section."""
        page = self._head() + encode_slots(self.signatures)
        return page.ljust(PAGE_SIZE, b"\0") + self.payload

    def _head(self) -> bytes:
        digest = hashlib.sha256(self.payload).digest()
        length = len(self.payload)
        head = _HEAD.pack(_MAGIC, _FORMAT, self.kind, self.version, length, digest, self.product_id)
        return head.ljust(SIGNED_SIZE, b"\0")


def product_id(product: str) -> bytes:
    """32 bytes that name a product on a document's page."""
    return hashlib.sha256(product.encode()).digest()


def channel_id(product: str, channel: str) -> bytes:
    """32 bytes that name a product's channel on a bundle's header page."""
    return hashlib.sha256(product.encode() + b"\0" + channel.encode()).digest()


def is_document(start: bytes) -> bool:
    """Whether a file that begins so is meant to be a signed document."""
    return start.startswith(_MAGIC)


def read_document(content: bytes) -> Document:
    """Read one document; ValueError unless `content` is exactly one, to the last byte."""
    document, rest = _read_first(content)
    if rest:
        raise ValueError(f"{len(rest)} bytes follow the document")
    return document


def read_documents(section: bytes) -> tuple[Document, ...]:
    """Read documents that lie one after another; ValueError when a byte is not as it must be."""
    if len(section) > CHAIN_LIMIT:
        raise ValueError(f"a chain of root documents is at most {CHAIN_LIMIT} bytes")
    documents = []
    while section:
        document, section = _read_first(section)
        documents.append(document)
    return tuple(documents)


def write_documents(documents: Iterable[Document]) -> bytes:
    """The documents one after another, as a bundle's trust section carries them."""
    return b"".join(document.to_bytes() for document in documents)


def _read_first(content: bytes) -> tuple[Document, bytes]:
    page, rest = content[:PAGE_SIZE], content[PAGE_SIZE:]
    if len(page) < PAGE_SIZE or not page.startswith(_MAGIC):
        raise ValueError("not a signed document of floto")
    _, form, kind, version, length, digest, product = _HEAD.unpack_from(page)
    if form != _FORMAT or kind not in iter(Kind):
        raise ValueError(f"a signed document of form {form}, kind {kind}, which this program does not know")
    if length > PAYLOAD_LIMIT or length > len(rest):
        raise ValueError("the document is cut short")
    payload, rest = rest[:length], rest[length:]
    if hashlib.sha256(payload).digest() != digest:
        raise ValueError("the document's text is not what its page says")
    signatures = decode_slots(page[SIGNED_SIZE : SIGNED_SIZE + SLOTS_SIZE])
    document = Document(Kind(kind), product, version, payload, signatures)
    if document.to_bytes()[:PAGE_SIZE] != page:
        raise ValueError("the document's page has bytes that mean nothing")
    return document, rest
