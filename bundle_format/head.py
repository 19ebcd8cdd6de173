"""Opening: which header page, trust section, index and frame table hold, out of all the copies that there are.

The order of SPEC.md, reading order: one page at a fixed place, the chain of root documents, the signatures; then, each
compared with what was signed before anything reads it, the index and the frame table.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bundle_format.errors import DamageError, FlotoError, TrustError
from bundle_format.layout.frames import parse_table
from bundle_format.layout.index import faults_in, read_index
from bundle_format.layout.medium import Medium
from bundle_format.layout.payload import Head, payload_extents
from bundle_format.layout.preamble import (
    PAGE_SIZE,
    SECTION_HEAD,
    Kind,
    Page,
    check_bounds,
    check_understood,
    message_of,
    read_page,
    section_content,
    sha256,
)
from bundle_format.trust.documents import channel_id
from bundle_format.trust.trust import Claim, Signers, Trust


@dataclass(frozen=True)
class Opened:
    """A head that somebody whom this site believes has signed."""

    head: Head
    signers: Signers


def open_head(copies: Sequence[Medium], trust: Trust) -> Opened:
    """Find a header page that `trust` believes and what belongs to it; TrustError or DamageError when there is none."""
    faults = list[FlotoError]()
    for content in _pages(copies, faults):
        try:
            page = read_page(content)
            check_bounds(page)
            chain = _content(copies, page, _Section("trust section", PAGE_SIZE, page.index_offset, page.trust_sha256))
            signers = trust.judge(_claim(page, content), chain)
            check_understood(page, content)
        except (DamageError, TrustError) as error:
            faults.append(error)
            continue
        return Opened(_head(copies, page, chain, signers), signers)
    raise next((fault for fault in faults if isinstance(fault, TrustError)), faults[0])


def _pages(copies: Sequence[Medium], faults: list[FlotoError]) -> Iterator[bytes]:
    for copy in copies:
        for offset in (0,) if copy.size is None else (0, copy.size - PAGE_SIZE):
            try:
                yield copy.read_at(max(0, offset), PAGE_SIZE)
            except DamageError as error:
                faults.append(error)


def _claim(page: Page, content: bytes) -> Claim:
    return Claim(
        message=message_of(content),
        signatures=page.signatures,
        channel_id=page.channel_id,
        sequence=page.sequence,
        minimum_root=page.minimum_root,
        index=page.index_digest,
    )


@dataclass(frozen=True)
class _Section:
    what: str
    start: int
    end: int
    sha256: bytes


def _content(copies: Sequence[Medium], page: Page, wanted: _Section) -> bytes:
    """What a section holds, from the first copy, or its mirror, whose digest is right."""
    to_mirror = page.mirror_offset - PAGE_SIZE
    for copy in copies:
        for shift in (0,) if copy.size is None else (0, to_mirror):
            try:
                content = section_content(copy.read_at(wanted.start + shift, wanted.end - wanted.start))
            except (DamageError, ValueError):
                continue
            if sha256(content) == wanted.sha256:
                return content
    raise DamageError(f"the {wanted.what} is damaged, and so is its mirror", hint="fetch another copy of the bundle")


def _head(copies: Sequence[Medium], page: Page, chain: bytes, signers: Signers) -> Head:
    end = page.index_offset + SECTION_HEAD + page.index_size
    text = _content(copies, page, _Section("index", page.index_offset, end, page.index_sha256))
    try:
        index = read_index(text)
        expected = bytes.fromhex(index.table.sha256.removeprefix("sha256:"))
        table = _content(copies, page, _Section("frame table", end, page.payload_offset, expected))
        head = Head(page, chain, index, text, parse_table(table), table)
    except ValueError as error:
        raise DamageError(f"the index is not sound: {error}", hint=_UNSOUND) from error
    if faults := list(faults_in(index, head.frames)) or list(_contradictions(head, signers)):
        raise DamageError(f"the index is not sound: {'; '.join(faults[:10])}", hint=_UNSOUND)
    return head


_UNSOUND = "it was signed like this: tell those who made the bundle"


def _contradictions(head: Head, signers: Signers) -> Iterator[str]:
    """Where index and header page differ; the page is what the verdict was about."""
    page, index = head.page, head.index
    if channel_id(index.product, index.channel) != page.channel_id or index.product != signers.product:
        yield "it is for another product or channel than the header page"
    if index.sequence != page.sequence:
        yield "it has another sequence than the header page"
    if (page.kind == Kind.FULL) != all(entry.at == "bundle" for entry in index.blobs):
        yield "a full bundle must carry every blob, and no other may"
    *_, last = payload_extents(index, head.frames, page.payload_offset)
    if last.offset + last.size != page.mirror_offset:
        yield "the frames do not fill the payload"
