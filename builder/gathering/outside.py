"""The outside worlds that a project's sources are in, each reached only once it is needed."""

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from builder.gathering.surroundings import Surroundings
from builder.sources.buildkit import buildkit_command
from builder.sources.engine import Engine
from builder.sources.maven import MavenRepositories
from builder.sources.maven_program import MavenProgram
from builder.sources.registry import Registries
from builder.web.client import Patience, Web
from builder.web.logins import DockerLogins
from builder.web.maven_settings import read_maven_file
from builder.web.partial import Partials
from builder.web.settings import Settings
from bundle_format.errors import DefinitionError


class Outside:
    """A project's registries, repositories and engine; a context manager, safe to use from several threads."""

    def __init__(self, surroundings: Surroundings, settings: Settings, patience: Patience) -> None:
        """Logins are where docker and Maven keep them: below HOME, or where DOCKER_CONFIG says."""
        env, store = surroundings.env, surroundings.store
        home = Path(env.get("HOME") or env.get("USERPROFILE") or ".")
        maven_file = home / ".m2" / "settings.xml"
        self._surroundings = surroundings
        self._open = ExitStack()
        self._lock = threading.Lock()
        self.web = self._open.enter_context(Web(Partials(store.root / "partial"), patience))
        logins = DockerLogins(Path(env.get("DOCKER_CONFIG") or home / ".docker"), env)
        self.registries = Registries(self.web, logins, settings.registries, store)
        self._maven = settings.maven.repositories, maven_file

    def __enter__(self) -> "Outside":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def engine(self) -> Engine:
        """The engine; DefinitionError where it cannot be reached."""
        with self._lock:
            return self._engine

    @property
    def buildkit(self) -> Sequence[str] | None:
        """How a build by BuildKit begins; None where the engine's own builder has to do."""
        with self._lock:
            return self._buildkit

    @property
    def maven(self) -> MavenRepositories:
        """The project's Maven repositories."""
        with self._lock:
            return self._repositories

    @property
    def maven_program(self) -> MavenProgram:
        """Maven itself, with the same repositories."""
        _, file = self._maven
        surroundings = self._surroundings
        maven = self.maven
        return MavenProgram(surroundings.store.root / "maven", file, maven.repositories, maven.logins, surroundings.env)

    @cached_property
    def _buildkit(self) -> Sequence[str] | None:
        wanted = self._surroundings.builder
        command = buildkit_command(self._surroundings.env) if wanted != "engine" else None
        if wanted == "buildkit" and command is None:
            raise DefinitionError(
                "there is no BuildKit here", "Install docker's plug-in buildx, or take --builder engine."
            )
        return command

    @cached_property
    def _engine(self) -> Engine:
        return self._open.enter_context(Engine(self._surroundings.engine))

    @cached_property
    def _repositories(self) -> MavenRepositories:
        named, file = self._maven
        env = self._surroundings.env
        return MavenRepositories(self.web, self._surroundings.store, named, read_maven_file(file, env), env)
