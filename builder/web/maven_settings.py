"""Maven's settings.xml: who logs in where, and which mirrors stand for which repositories."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.web.logins import Login
from builder.web.settings import MavenRepository
from bundle_format.errors import DefinitionError

CENTRAL = MavenRepository(id="central", url="https://repo.maven.apache.org/maven2", snapshots=False)

_VARIABLE = re.compile(r"\$\{(?:env\.([\w.]+))\}")
_MOST = 4 << 20


@dataclass(frozen=True, slots=True)
class Mirror:
    """A repository that stands for others: `of` as Maven's mirrorOf, such as `*,!ours` or `external:*`."""

    id: str
    url: str
    of: str

    def stands_for(self, repository: MavenRepository) -> bool:
        """Whether it stands for that one (Maven: guide to mirror settings)."""
        wanted = [one.strip() for one in self.of.split(",")]
        if f"!{repository.id}" in wanted:
            return False
        local = re.match(r"file:|https?://(localhost|127\.0\.0\.1)[:/]", repository.url + "/")
        return repository.id in wanted or "*" in wanted or ("external:*" in wanted and not local)


@dataclass(frozen=True, slots=True)
class MavenFile:
    """What a settings.xml says that matters for fetching."""

    servers: Mapping[str, Login]
    mirrors: tuple[Mirror, ...]
    repositories: tuple[MavenRepository, ...]


def read_maven_file(place: Path, env: Mapping[str, str]) -> MavenFile:
    """Read a settings.xml, where there is one; `env` fills in `${env.NAME}`. DefinitionError where it is broken."""
    try:
        content = place.read_bytes()
    except FileNotFoundError:
        return MavenFile({}, (), ())
    except OSError as error:
        raise DefinitionError(f"{place} cannot be read: {error.strerror}") from error
    try:
        if len(content) > _MOST:
            raise ValueError("more than 4 MiB")
        root = ET.fromstring(content)  # noqa: S314  # the user's own file
    except (ET.ParseError, ValueError) as error:
        raise DefinitionError(f"{place} is no settings.xml: {error}") from error
    return _Reading(place, root, env).file()


class _Reading:
    def __init__(self, place: Path, root: ET.Element, env: Mapping[str, str]) -> None:
        self._place = place
        self._env = env
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        self._root = root

    def file(self) -> MavenFile:
        servers = {self._text(one, "id"): self._login(one) for one in self._root.iterfind("servers/server")}
        mirrors = tuple(
            Mirror(self._text(one, "id"), self._text(one, "url").rstrip("/"), self._text(one, "mirrorOf"))
            for one in self._root.iterfind("mirrors/mirror")
        )
        return MavenFile(servers, mirrors, tuple(self._repositories()))

    def _login(self, server: ET.Element) -> Login:
        password = self._text(server, "password")
        if re.search(r"\{[^}]+\}", password):
            name = self._text(server, "id")
            raise DefinitionError(
                f"{self._place}: the password of server {name} is encrypted, which only Maven reads",
                "Write ${env.NAME} there, and the password into the environment.",
            )
        return Login(self._text(server, "username"), password)

    def _repositories(self) -> Iterator[MavenRepository]:
        """Those of the profiles that are active."""
        active = {(one.text or "").strip() for one in self._root.iterfind("activeProfiles/activeProfile")}
        for profile in self._root.iterfind("profiles/profile"):
            default = self._text(profile, "activation/activeByDefault") == "true" and not active
            if self._text(profile, "id") in active or default:
                for one in profile.iterfind("repositories/repository"):
                    yield MavenRepository(
                        id=self._text(one, "id"),
                        url=self._text(one, "url").rstrip("/"),
                        releases=self._text(one, "releases/enabled") != "false",
                        snapshots=self._text(one, "snapshots/enabled") != "false",
                    )

    def _text(self, element: ET.Element, path: str) -> str:
        def value(found: re.Match[str]) -> str:
            if found[1] not in self._env:
                raise DefinitionError(f"{self._place} asks for the environment variable {found[1]}, which is not set")
            return self._env[found[1]]

        return _VARIABLE.sub(value, (element.findtext(path) or "").strip())
