"""A folder of blobs, each whole under its digest or absent: the builder's cache and the agent's site store."""

import contextlib
import hashlib
import io
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from bundle_format.blob import Blob, FramedBlob
from bundle_format.digest import Digest, digest_of, hex_of, parse_digest
from bundle_format.durable import EagerFile, sync_folder
from bundle_format.errors import DamageError, MissingError, PreflightError
from bundle_format.layout.blobfile import COMES_AGAIN, open_blob_file, tail_of
from bundle_format.layout.frames import CODEC, Frame, PackedFrame, cut, pack
from bundle_format.lock import try_lock
from bundle_format.parallel import Workers

MOST_READ = 64 << 20
"""`read_bytes` is for small blobs: configurations, manifests, definitions."""


class Store:
    """Blobs lie as the frames that a bundle carries, so that packing and staging copy them (SPEC.md, store).

    Several threads and programs may use one store at once.
    """

    def __init__(self, root: Path, threads: int | None = None) -> None:
        """`threads` compress and hash, one a processor unless told; the folder is made when it is first written to."""
        self.root = root
        self._pool = Workers(threads)

    def add(self, stream: BinaryIO, *, expected: Digest | None = None) -> Blob:
        """Keep what `stream` has left, in one pass and bounded memory; durable once this returns.

        Where `expected` is here already, nothing is read. DamageError when the content turns out to be another;
        PreflightError when the store cannot be written.
        """
        if expected is not None and expected in self:
            return Blob(expected, self.size(expected))
        hasher = hashlib.sha256()

        def hashed() -> Iterator[bytes]:
            for piece in cut(stream):
                hasher.update(piece)
                yield piece

        with _Incoming(self.root) as incoming:
            for packed in self._pool.in_order(pack, hashed()):
                incoming.append(packed)
            blob = Blob(Digest("sha256:" + hasher.hexdigest()), incoming.size)
            if expected is not None and blob.digest != expected:
                raise DamageError(f"expected {expected}, but the content is {blob.digest}")
            incoming.keep(self._path(blob.digest), CODEC)
        return blob

    def add_bytes(self, content: bytes) -> Blob:
        """Keep bytes that are at hand."""
        return self.add(io.BytesIO(content), expected=digest_of(content))

    def add_frames(self, blob: Blob, frames: Iterable[PackedFrame], codec: str) -> None:
        """Keep a blob whose stored frames are at hand and verified, such as a bundle's, as they are.

        That they make the blob is what the bundle's signers say; whoever reads it to its end proves it. DamageError
        when they are of another size.
        """
        if blob.digest in self:
            return
        with _Incoming(self.root) as incoming:
            for packed in frames:
                incoming.append(packed)
            if incoming.size != blob.size:
                raise DamageError(f"blob {blob.digest} has {incoming.size} bytes where {blob.size} were promised")
            incoming.keep(self._path(blob.digest), codec)

    def __contains__(self, digest: Digest) -> bool:
        return self._path(digest).is_file()

    def __iter__(self) -> Iterator[Digest]:
        """The digests of all blobs, in no order that means anything."""
        for path in self.root.glob("blobs/??/" + "?" * 64):
            with contextlib.suppress(ValueError):
                yield parse_digest("sha256:" + path.name)

    def size(self, digest: Digest) -> int:
        """The number of raw bytes; MissingError when the blob is not here."""
        with self.blob(digest) as blob:
            return blob.size

    def codec(self, digest: Digest) -> str:
        """Which codec made the blob's frames."""
        file = open_blob_file(self._path(digest))
        file.medium.close()
        return file.codec

    def blob(self, digest: Digest) -> FramedBlob:
        """Open a blob for its frames or for reading anywhere; MissingError when it is not here."""
        try:
            file = open_blob_file(self._path(digest))
        except MissingError as error:
            raise MissingError(f"blob {digest} is not in the store {self.root}", COMES_AGAIN) from error
        return FramedBlob(Blob(digest, file.size), file, self._pool, file.medium.close)

    def open(self, digest: Digest) -> BinaryIO:
        """The raw bytes as a stream, verified while they are read; MissingError when the blob is not here."""
        return self.blob(digest).open()

    def read_bytes(self, digest: Digest, limit: int = MOST_READ) -> bytes:
        """The whole of a small blob; DamageError when it has more than `limit` bytes."""
        with self.blob(digest) as blob:
            return blob.read_all(limit)

    def is_whole(self, digest: Digest) -> bool:
        """Whether the blob is here and all its frames are as they were written; reads all of them."""
        try:
            with self.blob(digest) as blob:
                return sum(packed.frame.raw for packed in blob.packed()) == blob.size
        except (MissingError, DamageError):
            return False

    def gc(self, keep: Collection[Digest]) -> int:
        """Remove every blob that is not in `keep`, and what dead writers left; the bytes that became free.

        What a running program adds meanwhile it must name in `keep` itself: call this when nobody builds or applies.
        """
        freed = 0
        wanted = frozenset(keep)
        for digest in list(self):
            if digest not in wanted:
                freed += _remove(self._path(digest))
        for path in self.root.glob("incoming/*"):
            if _abandoned(path):
                freed += _remove(path)
        return freed

    def _path(self, digest: Digest) -> Path:
        name = hex_of(parse_digest(digest))
        return self.root / "blobs" / name[:2] / name


class _Incoming:
    """A blob being written: beside its place, under a lock that dies with the writer, and gone unless kept."""

    def __init__(self, root: Path) -> None:
        self._folder = root / "incoming"
        self._frames: list[Frame] = []
        self.size = 0

    def __enter__(self) -> "_Incoming":
        with _writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._folder)
            self._path = Path(name)
            self._file = EagerFile(descriptor, "wb")
            try_lock(self._file)
        return self

    def append(self, packed: PackedFrame) -> None:
        """Write the next frame."""
        self._write(packed.content)
        self._frames.append(packed.frame)
        self.size += packed.frame.raw

    def keep(self, path: Path, codec: str) -> None:
        """Make the blob durable under its name; another writer's copy of the same blob is as good."""
        self._write(tail_of(self._frames, codec))
        with _writing(path):
            os.fsync(self._file.fileno())
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file.close()
            try:
                self._path.replace(path)
            except PermissionError:
                if not path.is_file():  # Windows does not replace a file that somebody reads
                    raise
            sync_folder(path.parent)

    def _write(self, content: bytes) -> None:
        rest = memoryview(content)
        with _writing(self._path):
            while rest:
                rest = rest[self._file.write(rest) :]

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PreflightError(
            f"the store cannot be written at {path}: {error.strerror}",
            hint="nothing half-written stays behind; free space or name another folder, then run it again",
        ) from error


def _abandoned(path: Path) -> bool:
    with contextlib.suppress(OSError), path.open("rb") as file:
        return try_lock(file)
    return False


def _remove(path: Path) -> int:
    try:
        size = path.stat().st_size
        path.unlink()
    except OSError:
        return 0  # read by somebody on Windows, or removed by another
    return size
