"""Layers: tars whose bytes depend on their entries alone, written as a stream."""

import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Literal

from bundle_format.canonical import digest_of_value
from bundle_format.digest import Digest, chunks
from bundle_format.errors import DefinitionError

_TYPES = {"file": tarfile.REGTYPE, "folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}


@dataclass(frozen=True, slots=True)
class Entry:
    """One member of a layer: `path` as a tar writes it, without a slash in front; `size` in bytes.

    `content` names a file's bytes, by a digest, wherever something made from them is remembered.
    """

    path: str
    kind: Literal["file", "folder", "link"]
    mode: int
    uid: int = 0
    gid: int = 0
    size: int = 0
    target: str = ""
    content: str = ""
    open: Callable[[], IO[bytes]] | None = None


def digest_of_entries(entries: Iterable[Entry]) -> Digest:
    """What names the tar of these entries without reading their bytes again."""
    told = [
        [entry.path, entry.kind, entry.mode, entry.uid, entry.gid, entry.target, entry.content] for entry in entries
    ]
    return digest_of_value(sorted(told))


def write_tar(entries: Iterable[Entry], epoch: int) -> Iterator[bytes]:
    """The bytes of a POSIX tar of `entries`, sorted by path, all changed at `epoch` (seconds).

    DefinitionError where a file is not as long as its entry says: it changed while it was read.
    """
    ordered = sorted(entries, key=lambda entry: entry.path.encode())
    for entry in ordered:
        yield _header(entry, epoch)
        if entry.kind == "file":
            yield from _content(entry)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _header(entry: Entry, epoch: int) -> bytes:
    member = tarfile.TarInfo(entry.path + "/" if entry.kind == "folder" else entry.path)
    member.type = _TYPES[entry.kind]
    member.mode = entry.mode
    member.uid, member.gid = entry.uid, entry.gid
    member.size = entry.size if entry.kind == "file" else 0
    member.linkname = entry.target
    member.mtime = epoch
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _content(entry: Entry) -> Iterator[bytes]:
    assert entry.open is not None
    written = 0
    with entry.open() as stream:
        for piece in chunks(stream):
            written += len(piece)
            yield piece
    if written != entry.size:
        raise DefinitionError(f"{entry.path}: changed while it was read", "Build again.")
    yield bytes(-written % tarfile.BLOCKSIZE)
