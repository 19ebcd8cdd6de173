"""The index: which blobs a release has, and which frames of the bundle make each (SPEC.md, index)."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, ValidationError

from bundle_format.canonical import MAX_INT, canonical, parse_canonical
from bundle_format.digest import Digest
from bundle_format.layout.frames import FRAME, MAX_STORED, Frame
from bundle_format.release.fields import Name, Version
from bundle_format.release.model import DigestText
from bundle_format.release.value import Value, faults_of

FORMAT: Final = "floto-index/1"

RELEASE_TYPE: Final = "release"

MAX_PATCH = 64 << 20
"""No patch segment is larger than this, raw or stored."""

Count = Annotated[int, Field(ge=0, lt=MAX_INT)]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._+/-]{0,99}$")]
AgentVersion = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9}){0,3}$")]


class Entry(Value):
    """One blob of the release. Sizes are raw bytes.

    `at` says where it is: its `frames` frames from number `first` on are in the bundle; or the site must have it; or
    those frames are a patch against the blob `base`. `frames` is 0 for a blob at the site and for an empty one.
    """

    digest: DigestText
    size: Count
    type: Word
    at: Literal["bundle", "site", "patch"] = "bundle"
    base: DigestText | None = None
    first: Count = 0
    frames: Count = 0


class Base(Value):
    """A release that a delta counts on: who lacks one of these blobs finds it in the bundle with this index."""

    release: Version
    sequence: Count
    index: DigestText
    blobs: tuple[DigestText, ...] = ()


class Table(Value):
    """The frame table's digest and its number of entries."""

    sha256: DigestText
    frames: Count


class Index(Value):
    """What a bundle says of itself; times are seconds since 1970 UTC.

    `sites` None means any; `agent` is the oldest agent that understands the release; `codec` says which library made
    the frames; `attestations` names blobs such as an SBOM by what they attest.
    """

    format: Literal["floto-index/1"] = FORMAT
    product: Name
    channel: Name
    release: Version
    sequence: Count
    issued: Count
    expires: Count | None = None
    architectures: tuple[Word, ...] = ()
    agent: AgentVersion | None = None
    sites: tuple[Name, ...] | None = None
    definition: DigestText
    codec: Word
    attestations: dict[Word, DigestText] = Field(default_factory=dict)
    bases: tuple[Base, ...] = ()
    table: Table
    blobs: tuple[Entry, ...]

    def to_json(self) -> bytes:
        """The canonical text whose digest is the bundle's name."""
        return canonical(self.model_dump(mode="json"))


def read_index(text: bytes) -> Index:
    """Read an index whose digest was right; ValueError that tells every fault when it is none."""
    parse_canonical(text)
    try:
        return Index.model_validate_json(text)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, path))}: {fault}" for path, fault in faults_of(error))
        raise ValueError("; ".join(faults)) from error


def faults_in(index: Index, frames: Sequence[Frame]) -> Iterator[str]:
    """What contradicts itself between an index and the frame table; nothing when they are sound."""
    if index.table.frames != len(frames):
        yield f"the table has {len(frames)} frames, the index counts {index.table.frames}"
        return
    seen = set[Digest]()
    following = 0
    for entry in index.blobs:
        if entry.digest in seen:
            yield f"blob {entry.digest} is listed twice"
        seen.add(entry.digest)
        if entry.frames and entry.first != following:
            yield f"blob {entry.digest} does not begin where the one before it ends"
        own = frames[following : following + entry.frames]
        following += entry.frames
        yield from (f"blob {entry.digest}: {fault}" for fault in _faults_of_entry(entry, own))
    if following != len(frames):
        yield f"the blobs have {following} frames, the table {len(frames)}"
    named = {"definition": index.definition, **index.attestations}
    yield from (f"{name} is not among the blobs" for name, digest in named.items() if digest not in seen)
    if sum(entry.size for entry in index.blobs) >= MAX_INT:
        yield "the blobs are larger than 2^53 bytes together"


def _faults_of_entry(entry: Entry, frames: Sequence[Frame]) -> Iterator[str]:
    if (entry.base is not None) != (entry.at == "patch"):
        yield "a patch, and nothing else, has a base"
    if not entry.frames and entry.first:
        yield "it has a first frame but no frames"
    if entry.at == "site":
        if entry.frames:
            yield "it is at the site and yet has frames"
        return
    if len(frames) != entry.frames or sum(frame.raw for frame in frames) != entry.size:
        yield "its frames do not make up its size"
    if entry.at == "patch":
        if any(not 0 < frame.raw <= MAX_PATCH or not 0 < frame.stored <= MAX_PATCH for frame in frames):
            yield "a segment is empty or too large"
    elif any(frame.raw != FRAME for frame in frames[:-1]) or any(
        not 0 < frame.raw <= FRAME or not 0 < frame.stored <= MAX_STORED for frame in frames
    ):
        yield "a frame is empty or too large, or not full though others follow"
