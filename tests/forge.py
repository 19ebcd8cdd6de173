"""Bundles that lie, properly signed: what a maker with a key and bad intent, or a bad tool, could send."""

import io
import zlib
from dataclasses import dataclass, replace
from typing import Any

from bundle_format.canonical import canonical, parse_canonical
from bundle_format.digest import digest_of
from bundle_format.head import open_head
from bundle_format.layout.medium import PipeMedium
from bundle_format.layout.preamble import PAGE_SIZE, SECTION_HEAD, Page, section, sha256
from bundle_format.trust.documents import Document
from bundle_format.trust.signing import Signer
from bundle_format.trust.trust import trust_in
from tests.bundles import Made, key, root_document


@dataclass(frozen=True)
class Forgery:
    """A bundle in pieces that may each be replaced; `to_bytes` makes everything else fit and signs it."""

    page: Page
    trust: bytes
    index: bytes
    table: bytes
    payload: bytes

    def with_index(self, **changes: Any) -> "Forgery":
        """Other values at the top of the index."""
        return replace(self, index=canonical({**parse_canonical(self.index), **changes}))

    def with_entry(self, position: int, **changes: Any) -> "Forgery":
        """Other values in one blob's entry."""
        blobs = parse_canonical(self.index)["blobs"]
        blobs[position] = {**blobs[position], **changes}
        return self.with_index(blobs=blobs)

    def with_table(self, table: bytes) -> "Forgery":
        """Another frame table, whose digest the index states."""
        changed = self.with_index(table={"sha256": digest_of(table), "frames": len(table) // 40})
        return replace(changed, table=table)

    def to_bytes(self, signer: Signer | None = None, **fields: Any) -> bytes:
        """The whole file; `fields` of the header page win over those that fit."""
        sections = section(self.trust) + section(self.index) + section(self.table)
        index_offset = PAGE_SIZE + SECTION_HEAD + len(self.trust)
        table_offset = index_offset + SECTION_HEAD + len(self.index)
        fitting = {
            "total": 2 * (PAGE_SIZE + len(sections)) + len(self.payload),
            "index_offset": index_offset,
            "index_size": len(self.index),
            "index_sha256": sha256(self.index),
            "table_offset": table_offset,
            "payload_offset": PAGE_SIZE + len(sections),
            "trust_sha256": sha256(self.trust),
            "signatures": (),
        }
        page = replace(self.page, **{**fitting, **fields})
        page = replace(page, signatures=((signer or key("acme")).sign(page.message),))
        return page.to_bytes() + sections + self.payload + sections + page.to_bytes()

    def with_signed_bytes(self, offset: int, content: bytes, signer: Signer | None = None) -> bytes:
        """The file with other bytes in the signed part of its pages, their checksum and signature made to fit."""
        file = bytearray(self.to_bytes())
        signed = bytearray(file[:252])
        signed[offset : offset + len(content)] = content
        signed += zlib.crc32(signed).to_bytes(4, "little")
        signature = (signer or key("acme")).sign(b"floto/bundle-header/v1\0" + bytes(signed))
        for start in (0, len(file) - PAGE_SIZE):
            file[start : start + 256] = signed
            file[start + 320 : start + 384] = signature.content
        return bytes(file)


def forgery_of(made: Made) -> Forgery:
    """The pieces of a good bundle, to begin with."""
    return forgery_of_file(made.path.read_bytes(), root_document("acme"))


def forgery_of_file(file: bytes, root: Document) -> Forgery:
    """The same of a bundle's bytes that this root document vouches for."""
    head = open_head([PipeMedium(io.BytesIO(file), "the bundle")], trust_in(root)).head
    payload = file[head.page.payload_offset : head.page.mirror_offset]
    return Forgery(head.page, head.trust, head.index_text, head.table, payload)
