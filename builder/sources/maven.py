"""Files of Maven repositories, over https:// or file://, checked against the checksums beside them."""

import hashlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

from builder.web.admission import Known, basic
from builder.web.client import NotThereError, Request, Web
from builder.web.coordinates import SNAPSHOT, Coordinates
from builder.web.logins import Login
from builder.web.maven_settings import CENTRAL, MavenFile
from builder.web.settings import MavenRepository
from bundle_format.digest import Digest, hex_of
from bundle_format.errors import DamageError, DefinitionError
from bundle_format.pieces import stream_of
from bundle_format.progress import Progress, Task
from bundle_format.release.model import File
from bundle_format.store import Store

_CHECKSUMS = {"sha512": 128, "sha256": 64, "sha1": 40}


@dataclass(frozen=True, slots=True)
class MavenFetched:
    """A file of a repository in the store, by coordinates that will never mean another."""

    exact: Coordinates
    file: File


class MavenRepositories:
    """The repositories of a project in their order; safe to use from several threads."""

    def __init__(
        self, web: Web, store: Store, repositories: Sequence[MavenRepository], file: MavenFile, env: Mapping[str, str]
    ) -> None:
        """Without `repositories`, those of settings.xml and Maven Central; `env` may hold credentials.

        The variables are FLOTO_MAVEN_ID_USER and FLOTO_MAVEN_ID_PASSWORD, ID being the repository's in capitals.
        """
        self._store = store
        self._web = web
        self.repositories = tuple(repositories) or (*file.repositories, CENTRAL)
        self._places = [_place(repository, web, file, env) for repository in self.repositories]

    @property
    def logins(self) -> Mapping[str, Login]:
        """Who logs in where: by the id of the repository, or of the mirror that stands for it."""
        return {place.id: place.login for place in self._places if place.login}

    def fetch(self, wanted: Coordinates, pinned: Digest | None, progress: Progress, *, said_by: str) -> MavenFetched:
        """Bring a file into the store: from the first repository that has it, or the newest build of a SNAPSHOT.

        NotThereError where no repository has it, DefinitionError where one has other bytes than its checksum or
        `said_by` says, which has `pinned` it.
        """
        if pinned is not None and pinned in self._store:
            self._web.forget(pinned)
            return MavenFetched(wanted, File(digest=pinned, size=self._store.size(pinned)))
        places = [place for place in self._places if place.keeps(wanted)]
        exact = _newest_build(wanted, places) if wanted.version.endswith(SNAPSHOT) else wanted
        with progress.task(str(wanted)) as task:
            for place in places:
                try:
                    return MavenFetched(exact, self._from(place, exact, pinned, task, said_by))
                except NotThereError:
                    continue
        raise NotThereError(
            f"{exact} is in no repository: {', '.join(place.told(wanted) for place in self._places)}",
            "Is it spelt right, and deployed? Repositories are named in sources.toml or settings.xml.",
        )

    def _from(self, place: "_Place", exact: Coordinates, pinned: Digest | None, task: Task, said_by: str) -> File:
        path = f"{exact.folder}/{exact.file_name()}"
        checksum = ("sha256", hex_of(pinned)) if pinned else _checksum(place, path, exact)
        for last in (False, True):
            try:
                with place.open(path, str(exact), checksum and ":".join(checksum), task) as stream:
                    blob = self._store.add(stream_of(_checked(stream, checksum)))
                return File(digest=blob.digest, size=blob.size)
            except DamageError as error:
                if last:
                    said_by = said_by if pinned else "its checksum"
                    raise DefinitionError(
                        f"{exact}: {place.shown}/{path} has other content than {said_by} says ({error.message})",
                        f"Either {said_by}, the repository or a proxy on the way is wrong; nothing of it was kept.",
                    ) from error
        raise AssertionError


class _Place:
    """A repository where it really is, mirrors followed: a server, or a folder."""

    def __init__(self, repository: MavenRepository, id_: str, url: str, login: Login | None, web: Web) -> None:
        self.repository = repository
        self.id = id_
        self.login = login
        self.shown = url
        self._web = web
        self._authority = Known(basic(login) if login else "")
        parts = urlsplit(url)
        self._folder = Path(url2pathname(parts.path)) if parts.scheme == "file" else None

    def keeps(self, wanted: Coordinates) -> bool:
        """Whether this repository is asked for such a version."""
        return self.repository.snapshots if wanted.is_snapshot else self.repository.releases

    def told(self, wanted: Coordinates) -> str:
        """What it is called, and why it is not asked for such a version if so."""
        setting = "snapshots" if wanted.is_snapshot else "releases"
        return f"{self.repository.id} ({self.shown if self.keeps(wanted) else f'not asked: {setting} = false'})"

    def small(self, path: str, what: str) -> bytes | None:
        """A small file whole; None where there is none."""
        if self._folder:
            place = self._folder / path
            return place.read_bytes() if place.is_file() else None
        try:
            return self._web.get(self._request(path, what)).content
        except NotThereError:
            return None

    @contextmanager
    def open(self, path: str, what: str, content: str | None, task: Task) -> Iterator[BinaryIO]:
        """A file as a stream; NotThereError where there is none."""
        if not self._folder:
            with self._web.download(self._request(path, what), content, task) as stream:
                yield stream
        elif (place := self._folder / path).is_file():
            with place.open("rb") as stream:
                yield stream
        else:
            raise NotThereError(f"{what}: {place} is not there")

    def _request(self, path: str, what: str) -> Request:
        return Request(f"{self.shown}/{path}", what, authority=self._authority)


def _place(repository: MavenRepository, web: Web, file: MavenFile, env: Mapping[str, str]) -> _Place:
    mirror = next((mirror for mirror in file.mirrors if mirror.stands_for(repository)), None)
    name = mirror.id if mirror else repository.id
    variable = "FLOTO_MAVEN_" + re.sub(r"[^A-Z0-9]", "_", name.upper())
    if f"{variable}_USER" in env:
        login: Login | None = Login(env[f"{variable}_USER"], env.get(f"{variable}_PASSWORD", ""))
    else:
        login = file.servers.get(name)
    return _Place(repository, name, mirror.url if mirror else repository.url, login, web)


def _checksum(place: _Place, path: str, exact: Coordinates) -> tuple[str, str] | None:
    """The strongest checksum that lies beside a file: its algorithm and its hex digits."""
    for algorithm, length in _CHECKSUMS.items():
        content = place.small(f"{path}.{algorithm}", f"the checksum of {exact}")
        found = re.match(rb"\s*([0-9a-fA-F]{%d})\b" % length, content or b"")
        if found:
            return algorithm, found[1].decode().lower()
    return None


def _checked(stream: BinaryIO, checksum: tuple[str, str] | None) -> Iterator[bytes]:
    """Pass on what is read; DamageError at its end unless the checksum was right, so that it is not kept."""
    algorithm, expected = checksum or ("sha256", "")
    found = hashlib.new(algorithm, usedforsecurity=False)
    while piece := stream.read(1 << 20):
        found.update(piece)
        yield piece
    if checksum and found.hexdigest() != expected:
        raise DamageError(f"{algorithm} is {found.hexdigest()} and not {expected}")


def _newest_build(wanted: Coordinates, places: Sequence[_Place]) -> Coordinates:
    """The newest build of a SNAPSHOT of all repositories; itself where none tells of builds."""
    builds: list[tuple[str, str]] = []
    for place in places:
        metadata = place.small(f"{wanted.folder}/maven-metadata.xml", str(wanted))
        if metadata is not None:
            builds.extend(_builds(metadata, wanted, place))
    return replace(wanted, version=max(builds)[1]) if builds else wanted


def _builds(metadata: bytes, wanted: Coordinates, place: _Place) -> Iterator[tuple[str, str]]:
    """When, and under which version, a repository got builds of a SNAPSHOT (Maven: repository metadata)."""
    try:
        versioning = ET.fromstring(metadata).find("versioning")  # noqa: S314  # expat bounds what entities may grow to
    except ET.ParseError as error:
        raise DefinitionError(f"{wanted}: {place.shown} has broken metadata: {error}") from error
    if versioning is None:
        return
    for build in versioning.iterfind("snapshotVersions/snapshotVersion"):
        kind = (build.findtext("extension"), build.findtext("classifier") or "")
        if kind == (wanted.extension, wanted.suffix.removeprefix("-")):
            yield build.findtext("updated") or "", build.findtext("value") or wanted.version
    time, number = versioning.findtext("snapshot/timestamp"), versioning.findtext("snapshot/buildNumber")
    if time and number and versioning.find("snapshotVersions") is None:
        version = f"{wanted.version.removesuffix(SNAPSHOT)}-{time}-{number}"
        yield versioning.findtext("lastUpdated") or "", version
