"""The folder of a definition: the only way from a path that a definition names to a file."""

import hashlib
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal

from bundle_format.digest import CHUNK, Digest, chunks
from bundle_format.errors import DefinitionError
from bundle_format.release.model import File
from bundle_format.store import Store

_WINDOWS_FORBIDDEN = set('<>:"|?*\\')


@dataclass(frozen=True, slots=True)
class Member:
    """A file, folder or link below a folder of the project; `path` is relative to that folder, with slashes."""

    path: str
    kind: Literal["file", "folder", "link"]
    place: Path
    executable: bool = False
    target: str = ""

    def open(self) -> BinaryIO:
        """A file's content as a stream."""
        return self.place.open("rb")

    def digest(self) -> Digest:
        """The digest of a file's content."""
        return hash_file(self.place)


class Project:
    """A project's folder; whatever is named must lie inside it, also once symbolic links are followed."""

    def __init__(self, root: Path) -> None:
        """`root` is the folder that holds the definition; DefinitionError where there is none."""
        try:
            self.root = root.resolve(strict=True)
        except OSError as error:
            raise DefinitionError(f"{root}: no such folder", "Name the folder that holds site.star.") from error
        if not self.root.is_dir():
            raise DefinitionError(f"{root}: not a folder", "Name the folder that holds site.star.")

    def file(self, name: str) -> Path:
        """The regular file that the definition calls `name`."""
        place = self._inside(name)
        if place.is_dir():
            raise DefinitionError(
                f"{name}: is a folder, not a file; folder() takes all files below it", "Name a file of the project."
            )
        if not place.is_file():
            raise DefinitionError(f"{name}: no such file in the project", f"Looked for it in {self.root}.")
        return place

    def folder(self, name: str) -> Path:
        """The folder that the definition calls `name`; `.` is the project itself."""
        place = self.root if name in {"", "."} else self._inside(name)
        if place.is_file():
            raise DefinitionError(f"{name}: is a file, not a folder", "Name a folder of the project.")
        if not place.is_dir():
            raise DefinitionError(f"{name}: no such folder in the project", f"Looked for it in {self.root}.")
        return place

    def members(self, name: str, leaves_out: Callable[[str], bool] = lambda _: False) -> Iterator[Member]:
        """Everything below a folder that `leaves_out` does not leave out by its path, sorted.

        Folders that are left out are looked into. Links that lead out of the project are refused.
        """
        yield from self._below(self.folder(name), PurePosixPath(), leaves_out)

    def _below(self, folder: Path, prefix: PurePosixPath, leaves_out: Callable[[str], bool]) -> Iterator[Member]:
        for place in sorted(folder.iterdir(), key=lambda entry: entry.name):
            path = str(prefix / place.name)
            if not leaves_out(path):
                yield self._member(path, place)
            if place.is_dir() and not place.is_symlink():
                yield from self._below(place, prefix / place.name, leaves_out)

    def _member(self, path: str, place: Path) -> Member:
        _check_printable(path)
        mode = place.lstat().st_mode
        if stat.S_ISLNK(mode):
            return self._link(path, place)
        if stat.S_ISDIR(mode):
            return Member(path, "folder", place)
        if stat.S_ISREG(mode):
            return Member(path, "file", place, executable=bool(mode & stat.S_IXUSR))
        raise DefinitionError(f"{place}: neither a file, a folder nor a link", "Remove it from the project.")

    def _link(self, path: str, place: Path) -> Member:
        target = place.readlink()
        if target.is_absolute() or not _resolved(place).is_relative_to(self.root):
            raise DefinitionError(
                f"{place}: the link leads out of the project, to {target}",
                "Copy what it points at into the project, or make the link relative.",
            )
        return Member(path, "link", place, target=target.as_posix())

    def _inside(self, name: str) -> Path:
        check_path(name)
        place = _resolved(self.root / name)
        if not place.is_relative_to(self.root):
            raise DefinitionError(f"{name}: leads out of the project, to {place}", "Copy the file into the project.")
        return place


def check_path(name: str) -> None:
    """DefinitionError unless `name` is a plain relative path with slashes that means the same on every system."""
    _check_printable(name)
    if set(name) & _WINDOWS_FORBIDDEN:
        raise DefinitionError(f'{name}: a path may not contain any of <>:"|?*\\', "Rename the file.")
    if any(step in {"", ".", ".."} for step in name.split("/")):
        raise DefinitionError(f"{name}: not a plain path inside the project", "Write it like templates/web.conf.j2.")


def _check_printable(name: str) -> None:
    if not name.isprintable():
        shown = name.encode("unicode_escape", "surrogatepass").decode("ascii")
        raise DefinitionError(f"{shown}: a path may not contain control characters", "Rename the file.")


def hash_file(place: Path) -> Digest:
    """The digest of a file's content, read in pieces."""
    found = hashlib.sha256()
    with place.open("rb") as stream:
        for piece in chunks(stream, CHUNK):
            found.update(piece)
    return Digest("sha256:" + found.hexdigest())


def kept(place: Path, store: Store) -> File:
    """A file's content in the store, where it is compressed only if it is new there."""
    with place.open("rb") as stream:
        blob = store.add(stream, expected=hash_file(place))
    return File(digest=blob.digest, size=blob.size)


def _resolved(place: Path) -> Path:
    try:
        return place.resolve()
    except (OSError, RuntimeError) as error:
        raise DefinitionError(f"{place}: the link leads in a circle", "Remove the link.") from error
