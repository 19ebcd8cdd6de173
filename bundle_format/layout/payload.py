"""Which bytes of a bundle belong to what: every byte of the file is in exactly one extent (SPEC.md, layout)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bundle_format.layout.frames import Frame, plain_frame
from bundle_format.layout.index import Entry, Index
from bundle_format.layout.members import END, header, padding, path_of
from bundle_format.layout.preamble import SECTION_HEAD, Page, section


@dataclass(frozen=True, slots=True)
class Extent:
    """`size` bytes of the file from `offset`: a frame by its number, or bytes that are known (`content`).

    `entry` is the blob that a frame belongs to; `what` says in words what lies there.
    """

    offset: int
    size: int
    what: str
    content: bytes = b""
    number: int = -1
    entry: Entry | None = None


def payload_extents(index: Index, frames: Sequence[Frame], offset: int) -> Iterator[Extent]:
    """The payload from its first byte at `offset`: tar members whose content is the blobs' frames.

    The frames of a patch are skippable ones, outside the tar.
    """
    before = b""
    for entry in index.blobs:
        if entry.at == "bundle":
            head = plain_frame(before + header(path_of(entry), entry.size))
            yield Extent(offset, len(head), "tar header", head)
            offset += len(head)
            before = padding(entry.size)
        for number in range(entry.first, entry.first + entry.frames):
            yield Extent(offset, frames[number].stored, f"frame {number}", number=number, entry=entry)
            offset += frames[number].stored
    end = plain_frame(before + END)
    yield Extent(offset, len(end), "tar end", end)


@dataclass(frozen=True, slots=True)
class Head:
    """What precedes the payload, once it was verified."""

    page: Page
    trust: bytes
    index: Index
    index_text: bytes
    frames: Sequence[Frame]
    table: bytes

    def sections(self, offset: int, prefix: str) -> Iterator[Extent]:
        """Trust section, index and frame table as they lie one after another from `offset`."""
        for what, content in (("trust section", self.trust), ("index", self.index_text), ("frame table", self.table)):
            yield Extent(offset, SECTION_HEAD + len(content), prefix + what, section(content))
            offset += SECTION_HEAD + len(content)


def file_extents(head: Head) -> Iterator[Extent]:
    """All of the file, in its order."""
    page = head.page.to_bytes()
    yield Extent(0, len(page), "header page", page)
    yield from head.sections(len(page), "")
    yield from payload_extents(head.index, head.frames, head.page.payload_offset)
    yield from head.sections(head.page.mirror_offset, "mirror of the ")
    yield Extent(head.page.total - len(page), len(page), "mirror of the header page", page)
