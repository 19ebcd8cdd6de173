"""What Maven calls the files of its repositories."""

import re
from dataclasses import dataclass

from bundle_format.errors import DefinitionError

SNAPSHOT = "-SNAPSHOT"

_EXTENSIONS = {"bundle": "jar", "ejb": "jar", "maven-plugin": "jar", "test-jar": "jar"}
_TIMESTAMPED = re.compile(r"(.+)-\d{8}\.\d{6}-\d+")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


@dataclass(frozen=True, slots=True, order=True)
class Coordinates:
    """What names one file of a Maven repository; a SNAPSHOT's version may be that of one build (`1.0-DATE.TIME-N`)."""

    group: str
    artifact: str
    version: str
    type: str = "jar"
    classifier: str = ""

    def __post_init__(self) -> None:
        """DefinitionError for a part that would not stay where it belongs in a path."""
        parts = (*self.group.split("."), self.artifact, self.version, *self.type.split("."), self.classifier or "x")
        if not all(_PART.fullmatch(part) for part in parts) or ".." in str(self):
            raise DefinitionError(
                f"{self!s} are no Maven coordinates", "Write them like org.postgresql:postgresql:42.7.3."
            )

    def __str__(self) -> str:
        return ":".join(filter(None, (self.group, self.artifact, self.version, self.type, self.classifier)))

    @property
    def base_version(self) -> str:
        """The version with `-SNAPSHOT` for any of its builds."""
        build = _TIMESTAMPED.fullmatch(self.version)
        return build[1] + SNAPSHOT if build else self.version

    @property
    def is_snapshot(self) -> bool:
        """Whether the same version may be another file tomorrow, or is one build of such."""
        return self.base_version.endswith(SNAPSHOT)

    @property
    def extension(self) -> str:
        """How the file's name ends, without the dot."""
        return _EXTENSIONS.get(self.type, self.type)

    @property
    def folder(self) -> str:
        """Where it lies below a repository."""
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.base_version}"

    @property
    def suffix(self) -> str:
        """The classifier as file names have it."""
        classifier = self.classifier or ("tests" if self.type == "test-jar" else "")
        return f"-{classifier}" if classifier else ""

    def file_name(self) -> str:
        """Its name in a repository; for a SNAPSHOT without a build, its name everywhere else."""
        return f"{self.artifact}-{self.version}{self.suffix}.{self.extension}"


def parse_coordinates(text: str) -> Coordinates:
    """`group:artifact:version[:type[:classifier]]`."""
    parts = text.split(":")
    if not 3 <= len(parts) <= 5:
        raise DefinitionError(f"{text!r} are no Maven coordinates")
    return Coordinates(*parts)
