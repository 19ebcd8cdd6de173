"""What a definition places in images and build contexts: files, folders, artifacts and templates, as entries."""

import io
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

from builder.language.evaluation import ArtifactFile, BuildText, Content, Placed, ProjectFile, ProjectFolder
from builder.layers.archive import Archives
from builder.layers.artifact import Artifact
from builder.layers.layer import Entry
from builder.project import Member, Project, hash_file, kept
from bundle_format.digest import Digest, digest_of
from bundle_format.errors import DefinitionError
from bundle_format.release.templates import render
from bundle_format.release.value import FaultyError
from bundle_format.store import Store

_FOLDER, _LINK = 0o755, 0o777


class Contents:
    """Turns what is placed into entries whose bytes are read when they are written."""

    def __init__(self, project: Project, artifacts: Mapping[str, Artifact], store: Store, archives: Archives) -> None:
        self._project = project
        self._artifacts = artifacts
        self._store = store
        self._archives = archives

    def entries(self, placed: Iterable[Placed]) -> list[Entry]:
        """The entries of everything in `placed`; DefinitionError where something is missing or badly named."""
        return [entry for one in placed for entry in self._placed(one)]

    def folder(self, path: str) -> list[Entry]:
        """The entries of a folder of the project, with paths relative to it."""
        return [entry_of(member) for member in self._project.members(path)]

    def _placed(self, placed: Placed) -> list[Entry]:
        path = _inside(placed.path)
        found = self._unpacked(placed) if placed.unpack else self._content(placed.content, posixpath.basename(path))
        return [
            replace(
                entry,
                path=posixpath.join(path, entry.path) if entry.path else path,
                mode=_mode(entry, placed),
                uid=placed.uid,
                gid=placed.gid,
            )
            for entry in found
        ]

    def _content(self, content: Content, name: str) -> list[Entry]:
        """Entries with paths relative to where they are placed; an empty one is the place itself."""
        match content:
            case ProjectFile(path=path):
                place = self._project.file(path)
                return [replace(entry_of(Member(name, "file", place)), path="")]
            case ProjectFolder(path=path):
                return [Entry("", "folder", _FOLDER), *self.folder(path)]
            case BuildText():
                text = self._rendered(content)
                return [_text_entry(text)]
            case ArtifactFile(name=artifact):
                return self._artifact(self._artifacts[artifact])
        raise AssertionError(content)

    def _artifact(self, artifact: Artifact) -> list[Entry]:
        if not artifact.folder:
            return [self._stored("", artifact.only.digest, artifact.only.size)]
        files = [self._stored(name, file.digest, file.size) for name, file in artifact.files.items()]
        return [Entry("", "folder", _FOLDER), *files]

    def _stored(self, path: str, digest: Digest, size: int) -> Entry:
        return Entry(path, "file", 0o644, size=size, content=digest, open=partial(self._store.open, digest))

    def _unpacked(self, placed: Placed) -> list[Entry]:
        match placed.content:
            case ArtifactFile(name=name) if not self._artifacts[name].folder:
                digest = self._artifacts[name].only.digest
            case ProjectFile(path=name):
                digest = kept(self._project.file(name), self._store).digest
            case _:
                raise DefinitionError(f"{placed.path}: only a single file can be unpacked")
        return [Entry("", "folder", _FOLDER), *self._archives.entries(name, digest, placed.strip)]

    def _rendered(self, template: BuildText) -> bytes:
        text = self._project.file(template.path).read_text(encoding="utf-8")
        try:
            rendered = render(template.path, text, template.variables, b"")
        except FaultyError as error:
            raise DefinitionError(str(error)) from error
        assert isinstance(rendered, str)
        return rendered.encode()


def entry_of(member: Member) -> Entry:
    """A member of the project as an entry: files of mode 0644 or 0755, whatever the disk says."""
    match member.kind:
        case "folder":
            return Entry(member.path, "folder", _FOLDER)
        case "link":
            return Entry(member.path, "link", _LINK, target=member.target)
    return Entry(
        member.path,
        "file",
        0o755 if member.executable else 0o644,
        size=member.place.stat().st_size,
        content=hash_file(member.place),
        open=member.open,
    )


def _text_entry(text: bytes) -> Entry:
    return Entry("", "file", 0o644, size=len(text), content=digest_of(text), open=lambda: io.BytesIO(text))


def _mode(entry: Entry, placed: Placed) -> int:
    """The mode that was asked for; what may be executed or entered stays so for all who may read it."""
    if entry.kind == "link":
        return entry.mode
    if entry.mode & 0o111:
        return placed.mode | (placed.mode & 0o444) >> 2
    return placed.mode


def _inside(path: str) -> str:
    """`path` without slashes around it; DefinitionError where it does not stay where it says."""
    plain = path.strip("/")
    if not plain.isprintable() or (plain and any(step in {"", ".", ".."} for step in plain.split("/"))):
        raise DefinitionError(f"{path!r}: not a plain path of an image", "Write it like /opt/app/app.jar.")
    return plain
