"""Archives in the store (tar in any compression, zip and its kin), opened to place their members in images."""

import io
import posixpath
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import BinaryIO

from builder.layers.layer import Entry
from builder.work.ledger import Ledger
from bundle_format.blob import FramedBlob
from bundle_format.digest import CHUNK, Digest
from bundle_format.errors import DefinitionError
from bundle_format.inflate import inflate
from bundle_format.pieces import stream_of
from bundle_format.store import Store

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_PLAIN, _EXECUTABLE, _LINK = 0o644, 0o755, 0o777


class Archives:
    """Opens archives of a store and keeps them open until it is left: their entries are read later."""

    def __init__(self, store: Store, ledger: Ledger) -> None:
        self._store = store
        self._ledger = ledger
        self._open = ExitStack()

    def __enter__(self) -> "Archives":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def entries(self, name: str, digest: Digest, strip: int) -> list[Entry]:
        """The members of an archive, without the first `strip` steps of their paths; files of mode 0644 or 0755.

        DefinitionError, calling the archive `name`, where it cannot be read or a member would leave its folder.
        """
        try:
            members = self._zip(digest) if self._starts(digest, _ZIP) else self._tar(digest)
            placed = {}
            for entry in members:
                path = _stripped(name, entry.path, strip)
                if path:
                    placed[path] = Entry(
                        path, entry.kind, entry.mode, 0, 0, entry.size, entry.target, entry.content, entry.open
                    )
        except (tarfile.TarError, zipfile.BadZipFile) as error:
            raise DefinitionError(f"{name} cannot be unpacked: {error}", "It is no tar and no zip.") from error
        return list(placed.values())

    def _starts(self, digest: Digest, magics: tuple[bytes, ...]) -> bool:
        with self._store.open(digest) as stream:
            return stream.read(len(magics[0])).startswith(magics)

    def _tar(self, digest: Digest) -> Iterator[Entry]:
        plain = self._inflated(digest)
        blob = self._blob(plain)
        with tarfile.open(fileobj=window(blob, 0, blob.size), mode="r:") as tar:
            members = {posixpath.normpath(member.name): member for member in tar}
        for path, member in members.items():
            source = members.get(posixpath.normpath(member.linkname)) if member.islnk() else member
            if member.isdir():
                yield Entry(path, "folder", _EXECUTABLE)
            elif member.issym():
                yield Entry(path, "link", _LINK, target=member.linkname)
            elif source is not None and source.isreg() and not source.issparse():
                yield Entry(
                    path,
                    "file",
                    _EXECUTABLE if source.mode & stat.S_IXUSR else _PLAIN,
                    size=source.size,
                    content=f"{plain}!{source.name}",
                    open=partial(window, blob, source.offset_data, source.size),
                )
            else:
                raise DefinitionError(f"an archive holds {path}, which is neither a file, a folder nor a link")

    def _zip(self, digest: Digest) -> Iterator[Entry]:
        blob = self._blob(digest)
        archive = self._open.enter_context(zipfile.ZipFile(window(blob, 0, blob.size)))
        for member in archive.infolist():
            mode = member.external_attr >> 16
            path = posixpath.normpath(member.filename)
            if member.is_dir():
                yield Entry(path, "folder", _EXECUTABLE)
            elif stat.S_ISLNK(mode):
                yield Entry(path, "link", _LINK, target=archive.read(member).decode())
            else:
                yield Entry(
                    path,
                    "file",
                    _EXECUTABLE if mode & stat.S_IXUSR else _PLAIN,
                    size=member.file_size,
                    content=f"{digest}!{member.filename}",
                    open=partial(archive.open, member),
                )

    def _inflated(self, digest: Digest) -> Digest:
        known = self._ledger.recall("inflated", digest)
        if known is not None and known in self._store:
            return Digest(known)
        with self._store.open(digest) as packed:
            plain = self._store.add(stream_of(inflate(packed))).digest
        self._ledger.remember("inflated", digest, value=plain)
        return plain

    def _blob(self, digest: Digest) -> FramedBlob:
        return self._open.enter_context(self._store.blob(digest))


class _Window(io.RawIOBase):
    """Some bytes of an open blob as a file that can be read anywhere."""

    def __init__(self, blob: FramedBlob, start: int, size: int) -> None:
        self._blob = blob
        self._start = start
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        count = max(0, min(len(buffer), self._size - self._at))
        buffer[:count] = self._blob.read_at(self._start + self._at, count)
        self._at += count
        return count


def window(blob: FramedBlob, start: int, size: int) -> BinaryIO:
    """`size` bytes from `start` of an open blob as a file that can be read anywhere."""
    return io.BufferedReader(_Window(blob, start, size), CHUNK)


def _stripped(archive: str, path: str, strip: int) -> str:
    steps = path.split("/")
    if ".." in steps or path.startswith("/") or not path.isprintable():
        raise DefinitionError(f"{archive} holds a member that leaves its folder: {path!r}", "Do not unpack it.")
    return "/".join(steps[strip:]) if path != "." else ""
