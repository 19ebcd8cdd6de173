"""What it takes for a file to be there after the power failed."""

import contextlib
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from bundle_format.errors import FlotoError, PreflightError

_STEP = 16 << 20


class EagerFile(io.FileIO):
    """A file, written from its beginning to its end, whose bytes are on their way to the disk while it is written.

    So what makes it durable in the end waits for little, and the disk works while processors do.
    """

    _written = 0
    _begun = 0

    def write(self, content: bytes | memoryview) -> int:  # type: ignore[override]
        """Write as any FileIO does: perhaps fewer bytes than given, and how many."""
        written = super().write(content)
        self._written += written
        if self._written - self._begun >= _STEP and hasattr(os, "posix_fadvise"):
            # Linux begins to write what is said to be of no more need; it forgets only what was on the disk before.
            os.posix_fadvise(self.fileno(), self._begun, self._written - self._begun, os.POSIX_FADV_DONTNEED)
            self._begun = self._written
        return written


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable where the system has a way to say so."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_place(path: Path, inputs: Iterable[Path] = (), hint: str = "Name another file.") -> None:
    """Make sure that a file can come to `path`, in the place of nothing or of a regular file that is none of `inputs`.

    FlotoError where something else lies there, or no folder around it; `hint` is what to do where it is an input.
    """
    try:
        linked, taken, housed = path.is_symlink(), path.exists(), path.parent.is_dir()
        folder, regular = path.is_dir(), path.is_file()
        read = taken and any(one.exists() and path.samefile(one) for one in inputs)
    except OSError as error:
        raise FlotoError(f"{path} cannot be reached: {error.strerror}", "Name another place.") from error
    if folder:
        raise FlotoError(f"{path} cannot be written: it is a folder", "Name a file in it.")
    if linked:
        raise FlotoError(f"{path} cannot be written: it is a symbolic link", "Name the file itself.")
    if taken and not regular:
        raise FlotoError(f"{path} cannot be written: it is no regular file", "Name another place.")
    if read:
        raise FlotoError(f"{path} cannot be written: it is one of the files that are read", hint)
    if not housed:
        raise FlotoError(f"{path} cannot be written: {path.parent} is no folder", "Make it, or name another place.")


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that appears at `path` complete and durable, or not at all.

    FlotoError as of `check_place`, PreflightError when it cannot be written.
    """
    check_place(path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with io.BufferedWriter(cast(io.RawIOBase, EagerFile(partial, "wb"))) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise PreflightError(
            f"{path} cannot be written: {error.strerror}", hint="see that there is room and leave to write, then again"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # where nothing can be written, there is nothing to take away
            partial.unlink()
