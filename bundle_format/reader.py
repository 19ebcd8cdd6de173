"""The one door into a bundle: whoever holds a Bundle holds one that was signed, and reads verified bytes only."""

import re
from array import array
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from bundle_format import __version__
from bundle_format.blob import Blob, FramedBlob
from bundle_format.delta import RandomBlob, decode_segment
from bundle_format.digest import Digest
from bundle_format.errors import DamageError, FlotoError, MissingError, PreflightError
from bundle_format.head import Opened, open_head
from bundle_format.layout.frames import Frame, PackedFrame
from bundle_format.layout.index import Entry, Index
from bundle_format.layout.medium import Medium, PipeMedium
from bundle_format.layout.parts import PartsMedium, find
from bundle_format.layout.payload import Extent, Head, file_extents, payload_extents
from bundle_format.layout.preamble import PAGE_SIZE, Page, read_page
from bundle_format.layout.repair import list_of, repair_of
from bundle_format.parallel import Workers
from bundle_format.pieces import stream_of
from bundle_format.progress import Progress
from bundle_format.release.model import Release, release_from_json
from bundle_format.trust.trust import Signers, Trust
from bundle_format.verify import Damage, find_damage

MOST_READ = 64 << 20
"""`read_bytes` is for small blobs: the definition, configurations, manifests."""


def open_bundle(
    path: Path | Sequence[Path],
    trust: Trust,
    *,
    also: Sequence[Path] = (),
    salvage: bool = False,
    threads: int | None = None,
) -> "Bundle":
    """Open the bundle at `path` and verify who signed it, its index and its frame table.

    What is damaged in it is read from the copies in `also`. TrustError: nobody whom this site believes vouches for
    it. DamageError: it was changed, is cut short or has bytes too many; `salvage` leaves the last two for `verify` to
    tell, and other copies may make up for them. MissingError: it is not there.
    """
    with ExitStack() as opened:
        found = find([path] if isinstance(path, Path) else path)
        alone = not also and not salvage
        if alone:
            _check_parts(found.missing())
        head, copies = _open(chain(found.open(), _others(also)), trust, opened)
        if alone and len(copies) == 1:
            _check_size(head.head, copies[0])
        return Bundle(head, copies, threads, opened.pop_all())


def open_pipe(
    stream: BinaryIO,
    trust: Trust,
    name: str = "the pipe",
    *,
    also: Sequence[Path] = (),
    threads: int | None = None,
) -> "Bundle":
    """Open a bundle that comes through a pipe: beyond its beginning, blobs can be read once each, in their order."""
    with ExitStack() as opened:
        head, copies = _open(chain([PipeMedium(stream, name)], _others(also)), trust, opened)
        return Bundle(head, copies, threads, opened.pop_all())


class Bundle:
    """An open bundle. All that it hands out was compared with what its signers signed."""

    def __init__(self, opened: Opened, copies: Sequence[Medium], threads: int | None, resources: ExitStack) -> None:
        """Called by `open_bundle` and `open_pipe` alone."""
        self._head = opened.head
        self._copies = copies
        self._resources = resources
        self._pool = resources.enter_context(Workers(threads))
        self.page: Page = opened.head.page
        self.index: Index = opened.head.index
        self.table: Sequence[Frame] = opened.head.frames
        self.signers: Signers = opened.signers
        self.entries: Mapping[Digest, Entry] = {entry.digest: entry for entry in self.index.blobs}

    def __enter__(self) -> "Bundle":
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    @cached_property
    def release(self) -> Release:
        """The resolved release; PreflightError when it takes a newer agent, DamageError when it is none."""
        _check_agent(self.index)
        try:
            return release_from_json(self.read_bytes(self.index.definition))
        except ValueError as error:
            raise DamageError(
                f"the release in the bundle is not sound: {error}", hint="it was signed like this: tell its makers"
            ) from error

    def blob(self, digest: Digest) -> FramedBlob:
        """A blob that the bundle carries, to be read anywhere; MissingError when it carries none of that name."""
        entry = self.entries.get(digest)
        if entry is None:
            raise MissingError(f"the release has no blob {digest}")
        if entry.at != "bundle":
            raise MissingError(f"blob {digest} is not in this bundle, which counts on blobs that the site has")
        return FramedBlob(Blob(digest, entry.size), _EntryFrames(self, entry), self._pool)

    def open_blob(self, digest: Digest) -> BinaryIO:
        """The raw bytes of a blob as a stream; every byte is verified before it is handed out."""
        return self.blob(digest).open()

    def frames(self, digest: Digest) -> Iterator[PackedFrame]:
        """The stored frames of a blob, verified, for `Store.add_frames`."""
        return self.blob(digest).packed()

    def rebuilt(self, digest: Digest, base: RandomBlob) -> BinaryIO:
        """The raw bytes of a blob that travels as a patch against `base`; who keeps them compares the digest."""
        source = _EntryFrames(self, self.entries[digest])

        def one(number_and_content: tuple[int, bytes]) -> bytes:
            number, content = number_and_content
            return decode_segment(source.verified(number, content), base, source.frames[number].raw)

        contents = ((number, source.read(number)) for number in range(len(source.frames)))
        return stream_of(self._pool.in_order(one, contents, ahead=3))

    def read_bytes(self, digest: Digest, limit: int = MOST_READ) -> bytes:
        """The whole of a small blob; DamageError when it has more than `limit` bytes."""
        return self.blob(digest).read_all(limit)

    def write_copy(self, stream: BinaryIO, progress: Progress) -> None:
        """Write the bundle as it was signed, what is damaged in one copy taken from the others; joins parts, too."""

        def read(extent: Extent) -> tuple[Extent, bytes]:
            return extent, extent.content if extent.number < 0 else self.stored_frame(extent.number)

        def verified(extent_and_content: tuple[Extent, bytes]) -> bytes:
            extent, content = extent_and_content
            return content if extent.number < 0 else self.verified_frame(extent.number, content)

        with progress.task("copying the bundle", self.page.total) as task:
            for content in self._pool.in_order(verified, map(read, file_extents(self._head))):
                stream.write(content)
                task.advance(len(content))

    def write_repair(self, numbers: Iterable[int], stream: BinaryIO) -> None:
        """Write a repair for copies in which these frames are damaged (SPEC.md, repair); ValueError for no frame."""
        wanted = sorted(set(numbers))
        if not wanted or wanted[0] < 0 or wanted[-1] >= len(self.table):
            raise ValueError(f"frames are numbered from 0 to {len(self.table) - 1}")
        stream.write(self.page.to_bytes())
        stream.writelines(extent.content for extent in self._head.sections(PAGE_SIZE, ""))
        stream.write(list_of(wanted))
        stream.writelines(self.verified_frame(number, self.stored_frame(number)) for number in wanted)

    def verify(self, progress: Progress, beside: Container[Digest] = ()) -> list[Damage]:
        """Read every byte once and tell all damage, in the order of the file; nothing when it is as it was signed.

        The content of the blobs `beside` is left out: whoever asks has read it already.
        """
        return list(find_damage(self._copies, self._head, self._pool, progress, beside))

    @cached_property
    def _offsets(self) -> "array[int]":
        """Where each frame begins in the file."""
        extents = payload_extents(self.index, self._head.frames, self.page.payload_offset)
        return array("Q", (extent.offset for extent in extents if extent.number >= 0))

    def stored_frame(self, number: int) -> bytes:
        """What lies in the first copy where frame `number` should: not verified yet."""
        try:
            return self._copies[0].read_at(self._offsets[number], self.table[number].stored)
        except DamageError:
            return b""

    def verified_frame(self, number: int, content: bytes) -> bytes:
        """`content` if it is frame `number`, else what another copy has; DamageError when none has it."""
        frame, offset = self.table[number], self._offsets[number]
        if frame.holds(content):
            return content
        for copy in self._copies[1:]:
            with suppress(DamageError):
                if frame.holds(other := copy.read_at(offset, frame.stored)):
                    return other
        places = ", ".join(map(str, self._copies[0].places(offset, frame.stored)))
        raise DamageError(
            f"frame {number} is damaged: {places}",
            hint="fetch another copy, or name one with --also: what is damaged in one is read from the other",
        )


class _EntryFrames:
    """The frames of one entry of the index, counted from its first."""

    in_any_order = False

    def __init__(self, bundle: Bundle, entry: Entry) -> None:
        self._bundle = bundle
        self._entry = entry
        self.frames: Sequence[Frame] = bundle.table[entry.first : entry.first + entry.frames]

    def read(self, number: int) -> bytes:
        return self._bundle.stored_frame(self._entry.first + number)

    def verified(self, number: int, content: bytes) -> bytes:
        try:
            return self._bundle.verified_frame(self._entry.first + number, content)
        except DamageError as error:
            raise DamageError(f"blob {self._entry.digest}: {error.message}", error.hint) from error


def _others(places: Sequence[Path]) -> Iterator[Medium]:
    return chain.from_iterable(find([place]).open() for place in places)


def _open(media: Iterable[Medium], trust: Trust, opened: ExitStack) -> tuple[Opened, list[Medium]]:
    """The verified head of all copies, and the copies: the first, and those that make up for what it lacks."""
    copies = [opened.enter_context(closing(medium)) for medium in media]
    head = open_head(copies, trust)
    return head, [copies[0], *(_other(copy, head.head) for copy in copies[1:])]


def _other(copy: Medium, head: Head) -> Medium:
    """Another copy of the bundle, or a repair of it; FlotoError when it can be seen to be of another bundle."""
    with suppress(DamageError):
        if read_page(copy.read_at(0, PAGE_SIZE)).index_sha256 != head.page.index_sha256:
            raise FlotoError(f"{copy.places(0, 1)[0].name} is a copy of another bundle")
    return repair_of(copy, head) or copy


def _check_agent(index: Index) -> None:
    """A release may say what an older agent would misread, so that is settled before it is looked at (THREATS 12)."""
    if index.agent and _numbers(index.agent) > _numbers(__version__):
        raise PreflightError(
            f"{index.product} {index.release} needs agent {index.agent} or newer; this is {__version__}",
            hint="bring the newer agent along with the bundle; nothing was changed",
        )


def _numbers(version: str) -> list[int]:
    return [*map(int, re.findall(r"[0-9]+", version)), 0, 0, 0][:4]


def _check_parts(missing: Sequence[str]) -> None:
    if missing:
        raise MissingError(
            f"parts of the bundle are missing: {', '.join(missing)}",
            hint="name the folder or the stick that holds them too; parts may lie in any places",
        )


def _check_size(head: Head, copy: Medium) -> None:
    """Raise what a copy of another size than was signed deserves; say which blobs are whole (THREATS 2, 3)."""
    size = copy.size or 0
    if size == head.page.total:
        return
    if size > head.page.total:
        raise DamageError(
            f"the bundle has {size} bytes where {head.page.total} were signed: something was appended",
            hint="do not use it; fetch another copy",
        )
    if isinstance(copy, PartsMedium):
        _check_parts(copy.lacking(head.page.total))
    extents = payload_extents(head.index, head.frames, head.page.payload_offset)
    cut = {extent.entry.digest for extent in extents if extent.entry and extent.offset + extent.size > size}
    blobs = head.index.blobs
    raise DamageError(
        f"the bundle is cut short: {size} of {head.page.total} bytes are here, "
        f"{len(blobs) - len(cut)} of {len(blobs)} blobs are whole",
        hint="copy it again and let the stick finish writing before it is pulled",
    )
