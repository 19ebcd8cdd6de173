"""What is fuzzed: each target takes any bytes and must end in a value or in an error that it is known to raise."""

import io
from collections.abc import Callable
from contextlib import suppress

from bundle_format.canonical import canonical, parse_canonical
from bundle_format.delta import Segment, Span, decode_segment, encode
from bundle_format.digest import digest_of
from bundle_format.errors import DamageError, FlotoError
from bundle_format.layout.frames import MAX_STORED, parse_table, unpack
from bundle_format.layout.index import faults_in, read_index
from bundle_format.layout.preamble import PAGE_SIZE, check_bounds, read_page
from bundle_format.parallel import Workers
from bundle_format.progress import Silence
from bundle_format.reader import open_pipe
from bundle_format.trust.documents import read_documents, write_documents
from bundle_format.trust.trust import trust_in
from tests.bundles import root_document

TRUST = trust_in(root_document("acme"))


class Raw:
    """A blob in memory that must not be asked for what it does not have."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def read_at(self, offset: int, length: int) -> bytes:
        """The bytes asked for."""
        assert 0 <= offset <= offset + length <= self.size
        return self._content[offset : offset + length]


BASE = Raw(bytes(range(256)) * 64)
"""A small blob that segments refer to."""


def page(content: bytes) -> None:
    """The header page, read before anybody vouched for it."""
    with suppress(DamageError):
        read = read_page(content)
        check_bounds(read)
        assert len(content) == PAGE_SIZE
        assert 0 < read.index_offset < read.table_offset < read.payload_offset <= read.mirror_offset < read.total


def roots(content: bytes) -> None:
    """The trust section, likewise: whatever is accepted is written again as the same bytes."""
    with suppress(ValueError):
        assert write_documents(read_documents(content)) == content


def json(content: bytes) -> None:
    """Canonical JSON: whatever is accepted is written again as the same text."""
    with suppress(ValueError):
        assert canonical(parse_canonical(content)) == content


def index(content: bytes) -> None:
    """An index and, after a zero byte, a frame table."""
    text, _, table = content.partition(b"\0")
    with suppress(ValueError):
        list(faults_in(read_index(text), parse_table(table)))


def frame(content: bytes) -> None:
    """A frame's stored bytes, after three that state its raw size."""
    raw_size, stored = int.from_bytes(content[:3], "little") + 1, content[3:MAX_STORED]
    with suppress(DamageError):
        assert len(unpack(stored, raw_size)) == raw_size


def segment(content: bytes) -> None:
    """A patch segment, likewise."""
    raw_size, stored = int.from_bytes(content[:3], "little") + 1, content[3:]
    with suppress(DamageError):
        assert len(decode_segment(stored, BASE, raw_size)) == raw_size


def segment_of(content: bytes) -> bytes:
    """A segment that refers to the small blob, to begin with."""
    whole = Span(0, len(content))
    ((stored, _),) = encode(Raw(content), BASE, [Segment(whole, (Span(0, BASE.size),))], Workers(1))
    return stored


def bundle(content: bytes) -> None:
    """A whole bundle: verified, and every blob read; what is handed out has the digest that it is asked by."""
    with suppress(FlotoError), open_pipe(io.BytesIO(content), TRUST, threads=1) as opened:
        for entry in opened.index.blobs:
            with suppress(FlotoError):
                assert digest_of(opened.read_bytes(entry.digest)) == entry.digest
        opened.verify(Silence())


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (page, roots, json, index, frame, segment, bundle)
}
