"""Downloads under way: their first bytes survive a cut or a kill, so that only the rest is fetched."""

import contextlib
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bundle_format.digest import chunks
from bundle_format.errors import PreflightError
from bundle_format.lock import try_lock


class Partial:
    """The file of one download; it belongs to one process at a time and vanishes once the download is whole."""

    def __init__(self, file: IO[bytes], place: Path) -> None:
        self._file = file
        self._place = place
        self.size = file.seek(0, 2)

    def content(self) -> Iterator[bytes]:
        """What an earlier attempt has left."""
        self._file.seek(0)
        yield from chunks(self._file)

    def append(self, piece: bytes) -> None:
        """Keep the next bytes."""
        try:
            self._file.write(piece)
        except OSError as error:
            raise PreflightError(f"{self._place} cannot be written: {error.strerror}", "Free space there.") from error
        self.size += len(piece)

    def clear(self) -> None:
        """Begin anew: what is kept turned out to be wrong."""
        self._file.seek(0)
        self._file.truncate()
        self.size = 0

    def remove(self) -> None:
        """The download is whole, or known to be useless."""
        with contextlib.suppress(OSError):
            self._place.unlink()
        self.clear()


class Partials:
    """A folder of downloads under way, each under a name for exactly its content."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def open(self, content: str) -> Iterator[Partial]:
        """The download of what `content` names; while another process has it, an own one that nobody else sees."""
        self._folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(content.encode()).hexdigest()
        place = self._folder / name
        with place.open("a+b") as file:
            if try_lock(file):
                yield Partial(file, place)
                return
        own = self._folder / f"{name}.{id(file)}"
        with own.open("a+b") as file:
            try:
                yield Partial(file, own)
            finally:
                own.unlink(missing_ok=True)

    def forget(self, content: str) -> None:
        """Remove what a process that was killed just before it could do so has left of a download that is whole."""
        place = self._folder / hashlib.sha256(content.encode()).hexdigest()
        with contextlib.suppress(FileNotFoundError), place.open("r+b") as file:
            if try_lock(file):
                Partial(file, place).remove()
