"""What bytes are read from: one open regular file, at any place and from several threads."""

import errno
import os
import stat
import threading
from pathlib import Path

from bundle_format.errors import DamageError, FlotoError, MissingError

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe in a file's place must not make us wait
)


class FileMedium:
    """A regular file, opened once: whoever replaces its path later changes nothing for us (SPEC.md, reading order)."""

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

    def close(self) -> None:
        """Give the file back."""
        os.close(self._descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, _FLAGS)
    except FileNotFoundError as error:
        raise MissingError(f"{path} does not exist") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise FlotoError(f"{path} is a symbolic link", hint="name the file itself") from error
        raise FlotoError(f"{path} cannot be opened: {error.strerror}") from error
