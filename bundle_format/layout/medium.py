"""What bytes are read from: a regular file at any place, or a pipe in one forward pass."""

import errno
import os
import stat
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from bundle_format.errors import DamageError, FlotoError, MissingError

KEPT = 32 << 20
"""Bytes of a pipe's beginning that can be read again: the index, the release and its templates lie there."""

_SKIP = 1 << 20

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe in a file's place must not make us wait
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where on a medium bytes lie: `size` bytes from `offset` of a file, or would if it were not `missing`."""

    name: str
    offset: int
    size: int
    missing: bool = False

    def __str__(self) -> str:
        if self.missing:
            return f"{self.name}, which is missing"
        return f"{self.name} bytes {self.offset} to {self.offset + self.size - 1}"


class Medium(Protocol):
    """One copy of a bundle, or as much of it as there is."""

    @property
    def size(self) -> int | None:
        """Bytes of the whole; None while nobody can know."""

    @property
    def position(self) -> int:
        """What lies before it went by and cannot be read any more."""

    def read_at(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, fewer where the medium ends; DamageError when it refuses them."""

    def places(self, offset: int, length: int) -> tuple[Place, ...]:
        """The files that hold these bytes, and where in them they lie."""

    def close(self) -> None:
        """Give everything back."""


class FileMedium:
    """A regular file, opened once: whoever replaces its path later changes nothing for us (SPEC.md, reading order)."""

    position = 0

    def __init__(self, path: Path) -> None:
        """Open `path`; MissingError when there is none, FlotoError when it is a link or no regular file."""
        self.path = path
        self._descriptor = _open(path)
        self._lock = threading.Lock()
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(self._descriptor)
            raise FlotoError(f"{path} is no regular file")
        self.size = status.st_size

    def read_at(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, fewer where the file ends; DamageError when the medium refuses them."""
        pieces = []
        try:
            while length > 0 and (piece := self._read_once(offset, length)):
                pieces.append(piece)
                offset += len(piece)
                length -= len(piece)
        except OSError as error:
            raise DamageError(f"{self.path} cannot be read at byte {offset}: {error.strerror}") from error
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_once(self, offset: int, length: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, length, offset)
        with self._lock:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            return os.read(self._descriptor, length)

    def places(self, offset: int, length: int) -> tuple[Place, ...]:
        """The one place in the one file."""
        return (Place(self.path.name, offset, length),)

    def close(self) -> None:
        """Give the file back."""
        os.close(self._descriptor)


class PipeMedium:
    """A stream that can only be read forwards; its beginning is kept, for the blobs there are read in any order."""

    size = None

    def __init__(self, stream: BinaryIO, name: str, keep: int = KEPT) -> None:
        """`keep`: how many bytes from the first on can be read again."""
        self._stream = stream
        self._name = name
        self._keep = keep
        self._kept = bytearray()
        self._at = 0

    @property
    def position(self) -> int:
        """What lies before it went by; 0 while all of it is kept."""
        return self._at if self._at > self._keep else 0

    def read_at(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, fewer where the pipe ends; MissingError when they went by already."""
        pieces = [bytes(self._kept[offset : offset + length])]
        offset, length = offset + len(pieces[0]), length - len(pieces[0])
        if length > 0 and offset < self._at:
            raise MissingError(
                f"byte {offset} of {self._name} went by already", hint="give a file, which can be read in any order"
            )
        while length > 0 and self._at < offset:
            if not self._next(min(offset - self._at, _SKIP)):
                return b""
        while length > 0 and (piece := self._next(length)):
            pieces.append(piece)
            length -= len(piece)
        return b"".join(pieces)

    def _next(self, length: int) -> bytes:
        try:
            piece = self._stream.read(length)
        except OSError as error:
            raise DamageError(f"{self._name} broke at byte {self._at}: {error.strerror}") from error
        self._kept += piece[: max(0, self._keep - self._at)]
        self._at += len(piece)
        return piece

    def places(self, offset: int, length: int) -> tuple[Place, ...]:
        """The one place in the stream."""
        return (Place(self._name, offset, length),)

    def close(self) -> None:
        """Leave the stream to whoever opened it."""


def _open(path: Path) -> int:
    try:
        return os.open(path, _FLAGS)
    except FileNotFoundError as error:
        raise MissingError(f"{path} does not exist") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise FlotoError(f"{path} is a symbolic link", hint="name the file itself") from error
        raise FlotoError(f"{path} cannot be opened: {error.strerror}") from error
