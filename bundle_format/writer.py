"""Writing bundles: the same release, blobs and heading always make the same bytes, in one forward pass."""

import io
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Literal

from bundle_format.blob import Blob
from bundle_format.digest import Digest, digest_of
from bundle_format.durable import whole_file
from bundle_format.errors import DamageError, MissingError
from bundle_format.layout.frames import CODEC, ENTRY_SIZE, Frame, PackedFrame, cut, pack, parse_table, table_of
from bundle_format.layout.index import RELEASE_TYPE, Base, Entry, Index, Table
from bundle_format.layout.oci import LAYOUT, docker_manifest, image_index
from bundle_format.layout.payload import Head, file_extents, payload_extents
from bundle_format.layout.preamble import PAGE_SIZE, SECTION_HEAD, Kind, Page, check_bounds, sha256
from bundle_format.progress import Progress
from bundle_format.release.model import Release
from bundle_format.store import Store
from bundle_format.trust.documents import channel_id
from bundle_format.trust.signing import Signature, Signer, with_signature


@dataclass(frozen=True)
class Heading:
    """What a bundle says beside its release. Times are seconds since 1970 UTC; `sites` None means any site."""

    channel: str
    sequence: int
    issued: int
    expires: int | None = None
    architectures: tuple[str, ...] = ()
    agent: str | None = None
    sites: tuple[str, ...] | None = None
    minimum_root: int = 1
    bases: tuple[Base, ...] = ()
    attestations: dict[str, Digest] = field(default_factory=dict)


@dataclass(frozen=True)
class Carried:
    """One blob as the bundle tells it: its frames, and how to read their stored bytes again."""

    blob: Blob
    type: str
    frames: Sequence[Frame] = ()
    packed: Callable[[], Iterator[PackedFrame]] = lambda: iter(())
    at: Literal["bundle", "site", "patch"] = "bundle"
    base: Digest | None = None


@dataclass(frozen=True)
class Written:
    """A finished bundle: its size in bytes and the digest of its index, which is its name."""

    path: Path
    size: int
    index_digest: Digest


@dataclass(frozen=True)
class Draft:
    """A bundle of which all is known but its signatures, and nothing is written yet."""

    head: Head
    carried: tuple[Carried, ...]

    @property
    def page(self) -> Page:
        """The header page with the signatures so far."""
        return self.head.page

    def signed(self, signatures: Iterable[Signature]) -> "Draft":
        """The draft with these signatures of `page.message` as well."""
        page = self.page
        for signature in signatures:
            page = replace(page, signatures=with_signature(page.signatures, signature))
        return replace(self, head=replace(self.head, page=page))

    def write(self, stream: BinaryIO, progress: Progress) -> None:
        """Write the whole bundle in one forward pass; a pipe is as good as a file."""
        with progress.task("writing the bundle", self.page.total) as task:
            for piece in self._pieces():
                stream.write(piece)
                task.advance(len(piece))

    def _pieces(self) -> Iterator[bytes]:
        packed = chain.from_iterable(one.packed() for one in self.carried)
        for extent in file_extents(self.head):
            if extent.number < 0:
                yield extent.content
                continue
            frame = next(packed)
            if frame.frame != self.head.frames[extent.number]:
                raise DamageError(f"{extent.what} is no longer what it was when the bundle was laid out")
            yield frame.content


def write_bundle(
    path: Path,
    release: Release,
    blobs: Sequence[Digest],
    store: Store,
    *,
    header: Heading,
    signers: Sequence[Signer],
    root_chain: Sequence[bytes],
    progress: Progress,
) -> Written:
    """Write a full, signed bundle, whole or not at all; the blobs lie in it in the order given.

    MissingError when the release needs blobs that are not among `blobs`, or the store lacks one of them.
    """
    types = types_in(release)
    carried = [carry(store, digest, types.get(digest, "blob")) for digest in blobs]
    draft = draft_bundle(release, carried, header, root_chain)
    draft = draft.signed(signer.sign(draft.page.message) for signer in signers)
    with whole_file(path) as stream:
        draft.write(stream, progress)
    return Written(path, draft.page.total, draft.page.index_digest)


def carry(store: Store, digest: Digest, kind: str) -> Carried:
    """A blob of the store as the bundle carries it; compressed anew where another codec had made its frames."""
    if store.codec(digest) != CODEC:
        with store.open(digest) as stream:
            store.add(stream)

    def packed() -> Iterator[PackedFrame]:
        with store.blob(digest) as blob:
            yield from blob.packed()

    with store.blob(digest) as blob:
        return Carried(blob.blob, kind, tuple(blob.frames), packed)


def carry_bytes(content: bytes, kind: str) -> Carried:
    """Bytes at hand as the bundle carries them."""
    frames = [pack(piece) for piece in cut(io.BytesIO(content))]
    blob = Blob(digest_of(content), len(content))
    return Carried(blob, kind, tuple(packed.frame for packed in frames), lambda: iter(frames))


def types_in(release: Release) -> dict[Digest, str]:
    """The type of each blob that the release names, in the order in which a bundle best carries them."""
    types: dict[Digest, str] = {}
    for digest in release.sources.values():
        types.setdefault(digest, "source")
    for file in release.files.values():
        types.setdefault(file.digest, "file")
    for image in release.images.values():
        types.setdefault(image.manifest, "manifest")
        types.setdefault(image.config, "config")
    for image in release.images.values():
        for layer in image.layers:
            types.setdefault(layer, "layer")
    for machine_image in release.machine_images.values():
        types.setdefault(machine_image.disk, "disk")
    return types


def draft_bundle(release: Release, carried: Iterable[Carried], heading: Heading, root_chain: Sequence[bytes]) -> Draft:
    """Lay out a bundle: the release itself, the documents of an OCI layout, then the blobs in their order.

    MissingError when the release needs a blob that is not among them.
    """
    blobs = {one.blob.digest: one for one in carried}
    _check_complete(release, heading, blobs)
    images = list(release.images.values())
    own = (
        carry_bytes(release.to_json(), RELEASE_TYPE),
        carry_bytes(LAYOUT, "oci-layout"),
        carry_bytes(image_index(images, lambda digest: blobs[digest].blob.size), "oci-index"),
        carry_bytes(docker_manifest(images), "docker-manifest"),
    )
    others = (one for digest, one in blobs.items() if digest not in {one.blob.digest for one in own})
    return lay_out(release.product, release.version, (*own, *others), heading, b"".join(root_chain))


def lay_out(product: str, version: str, carried: tuple[Carried, ...], heading: Heading, trust: bytes) -> Draft:
    """Lay out a bundle of blobs of which the first is the release; `trust` is its trust section."""
    table = table_of(frame for one in carried for frame in one.frames)
    index = Index(
        product=product,
        channel=heading.channel,
        release=version,
        sequence=heading.sequence,
        issued=heading.issued,
        expires=heading.expires,
        architectures=heading.architectures,
        agent=heading.agent,
        sites=heading.sites,
        definition=carried[0].blob.digest,
        codec=CODEC,
        attestations=heading.attestations,
        bases=heading.bases,
        table=Table(sha256=digest_of(table), frames=len(table) // ENTRY_SIZE),
        blobs=tuple(_entries(carried)),
    )
    return Draft(_head(index, parse_table(table), table, trust, heading.minimum_root), carried)


def _check_complete(release: Release, heading: Heading, blobs: Collection[Digest]) -> None:
    sources = set(release.sources.values())
    needed = (set(types_in(release)) - sources) | set(heading.attestations.values())
    if missing := sorted(needed - set(blobs)):
        raise MissingError(
            f"the release needs blobs that the bundle would not name: {', '.join(missing)}",
            hint="an incomplete bundle is never written; gather everything first",
        )


def _entries(everything: Iterable[Carried]) -> Iterator[Entry]:
    first = 0
    for one in everything:
        count = len(one.frames)
        yield Entry(
            digest=one.blob.digest,
            size=one.blob.size,
            type=one.type,
            at=one.at,
            base=one.base,
            first=first if count else 0,
            frames=count,
        )
        first += count


def _head(index: Index, frames: Sequence[Frame], table: bytes, trust: bytes, minimum_root: int) -> Head:
    text = index.to_json()
    index_offset = PAGE_SIZE + SECTION_HEAD + len(trust)
    table_offset = index_offset + SECTION_HEAD + len(text)
    payload_offset = table_offset + SECTION_HEAD + len(table)
    *_, last = payload_extents(index, frames, payload_offset)
    page = Page(
        kind=Kind.FULL if all(entry.at == "bundle" for entry in index.blobs) else Kind.DELTA,
        total=last.offset + last.size + payload_offset,
        index_offset=index_offset,
        index_size=len(text),
        index_sha256=sha256(text),
        table_offset=table_offset,
        payload_offset=payload_offset,
        sequence=index.sequence,
        minimum_root=minimum_root,
        channel_id=channel_id(index.product, index.channel),
        trust_sha256=sha256(trust),
    )
    check_bounds(page)
    return Head(page, trust, index, text, frames, table)
