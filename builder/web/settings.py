"""`sources.toml` of a project: which registries and repositories are spoken to, and how."""

from typing import Annotated

from pydantic import AfterValidator, Field

from builder.documents import read_toml
from builder.project import Project
from bundle_format.release.value import Value

FILE = "sources.toml"


class Registry(Value):
    """How one registry is reached: without TLS, or in truth another one (`HOST` or `HOST/PREFIX`) that mirrors it."""

    plain_http: bool = False
    mirror: str | None = None


def _address(url: str) -> str:
    if not url.startswith(("https://", "http://", "file://")):
        raise ValueError("must begin with https://, http:// or file://")
    return url.rstrip("/")


class MavenRepository(Value):
    """A Maven repository; `id` names its credentials in settings.xml."""

    id: str
    url: Annotated[str, AfterValidator(_address)]
    releases: bool = True
    snapshots: bool = True


class MavenSettings(Value):
    """The repositories in the order in which they are asked; without any, Maven Central."""

    repositories: tuple[MavenRepository, ...] = ()


class Settings(Value):
    """Everything that `sources.toml` may say."""

    registries: dict[str, Registry] = Field(default_factory=dict)
    maven: MavenSettings = MavenSettings()


def read_settings(project: Project) -> Settings:
    """What the project says; nothing where it has no such file. DefinitionError with every fault by line and column."""
    place = project.root / FILE
    if not place.exists():
        return Settings()
    return read_toml(project.file(FILE).read_bytes(), FILE, Settings)
