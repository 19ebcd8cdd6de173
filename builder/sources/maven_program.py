"""Maven itself, for what only it knows: which other artifacts an artifact needs at run time."""

import re
import tempfile
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from builder.web.coordinates import Coordinates
from builder.web.logins import Login
from builder.web.settings import MavenRepository
from builder.work.child import Child
from bundle_format.errors import DefinitionError
from bundle_format.progress import Task

_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.5.0:collect"
_LINE = re.compile(r"\s+([^\s:]+):([^\s:]+):([^\s:]+)(?::([^\s:]+))?:([^\s:]+):(compile|runtime)\b.*")
_RUNNING = threading.Lock()
"""Two runs of Maven would write into one local repository at once, which it does not bear."""


class MavenProgram:
    """The program `mvn` with a local repository of our own, so that nothing of the machine's gets in."""

    def __init__(
        self,
        local: Path,
        settings: Path,
        repositories: Sequence[MavenRepository],
        logins: Mapping[str, Login],
        env: Mapping[str, str],
    ) -> None:
        """`settings` is the user's settings.xml, if there is one; `logins` are by ids of repositories or mirrors."""
        self._local = local
        self._settings = settings
        self._repositories = repositories
        self._logins = logins
        self._env = env

    def closure(self, wanted: Coordinates, log: Callable[[str], None], task: Task) -> list[Coordinates]:
        """The artifact and all that it needs at run time, as Maven lists them; DefinitionError if it fails."""
        with _RUNNING, tempfile.TemporaryDirectory(prefix="floto-maven-") as name:
            folder = Path(name)
            (folder / "pom.xml").write_bytes(self._project(wanted))
            (folder / "logins.xml").write_bytes(self._login_settings())
            options = ["-gs", str(self._settings)] if self._settings.is_file() else []
            command = ["mvn", "-B", "-q", "-ntp", *options, "-s", "logins.xml", f"-Dmaven.repo.local={self._local}"]
            try:
                Child(folder, self._env, log, task).run([*command, _PLUGIN, "-DoutputFile=closure"], what="Maven")
            except DefinitionError as error:
                raise DefinitionError(f"the dependencies of {wanted} are not to be had: {error.message}") from error
            text = (folder / "closure").read_text(encoding="utf-8")
        return _closure(text)

    def _project(self, wanted: Coordinates) -> bytes:
        """A project that depends on nothing but the artifact (Maven: POM reference)."""
        project = ET.Element("project")
        said = {
            "modelVersion": "4.0.0",
            "groupId": "floto",
            "artifactId": "closure",
            "version": "1",
            "packaging": "pom",
        }
        _say(project, said)
        for several, one in (("repositories", "repository"), ("pluginRepositories", "pluginRepository")):
            parent = ET.SubElement(project, several)
            for repository in self._repositories:
                element = _say(ET.SubElement(parent, one), {"id": repository.id, "url": repository.url})
                for kind in ("releases", "snapshots"):
                    enabled = {"enabled": str(getattr(repository, kind)).lower()}
                    _say(ET.SubElement(element, kind), enabled)
        dependency = ET.SubElement(ET.SubElement(project, "dependencies"), "dependency")
        _say(dependency, {"groupId": wanted.group, "artifactId": wanted.artifact, "version": wanted.version})
        _say(dependency, {"type": wanted.type, "classifier": wanted.classifier})
        return bytes(ET.tostring(project, encoding="utf-8"))

    def _login_settings(self) -> bytes:
        """Settings with the passwords that we have found, for Maven looks in fewer places; the folder is ours alone."""
        settings = ET.Element("settings")
        servers = ET.SubElement(settings, "servers")
        for name, login in self._logins.items():
            _say(ET.SubElement(servers, "server"), {"id": name, "username": login.user, "password": login.password})
        return bytes(ET.tostring(settings, encoding="utf-8"))


def _say(element: ET.Element, texts: Mapping[str, str]) -> ET.Element:
    for name, text in texts.items():
        if text:
            ET.SubElement(element, name).text = text
    return element


def _closure(text: str) -> list[Coordinates]:
    """What the plugin lists: `group:artifact:type[:classifier]:version:scope`."""
    found = [_LINE.fullmatch(line) for line in text.splitlines()]
    return [Coordinates(one[1], one[2], one[5], one[3], one[4] or "") for one in found if one]
