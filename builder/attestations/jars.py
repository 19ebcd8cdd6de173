"""What a jar is, by its pom.properties or its manifest, and the jars inside it."""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO

from builder.attestations.packages import Package

MOST_NESTED = 64 << 20
"""Bytes of a jar inside another that is still opened."""

_DEPTH = 2
_SMALL = 1 << 20
_ENDS = (".jar", ".war", ".ear")
_POM = re.compile(r"META-INF/maven/[^/]+/[^/]+/pom\.properties")
_NAME = re.compile(r"(.+?)-(\d[\w.+-]*)\.(?:jar|war|ear)")


def is_jar(path: str) -> bool:
    """Whether a file of that name is a Java archive."""
    return path.lower().endswith(_ENDS)


def jars_in(path: str, content: IO[bytes], depth: int = 0) -> list[Package]:
    """The Java archive at `path` and those inside it; none where it cannot be read."""
    try:
        with zipfile.ZipFile(content) as archive:
            return sorted(set(_packages(path, archive, depth)))
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RuntimeError, EOFError):
        return []


def _packages(path: str, archive: zipfile.ZipFile, depth: int) -> Iterator[Package]:
    members = {member.filename: member for member in archive.infolist()}
    poms = [_fields(_small(archive, member), "=") for name, member in members.items() if _POM.fullmatch(name)]
    told = [pom for pom in poms if pom.get("artifactId") and pom.get("version")]
    if told:
        yield from (Package("maven", pom.get("groupId", ""), pom["artifactId"], pom["version"]) for pom in told)
    else:
        yield from _by_manifest(path, archive, members.get("META-INF/MANIFEST.MF"))
    for name, member in members.items():
        if is_jar(name) and depth < _DEPTH and member.file_size <= MOST_NESTED:
            yield from jars_in(name, io.BytesIO(archive.read(member)), depth + 1)


def _by_manifest(path: str, archive: zipfile.ZipFile, manifest: zipfile.ZipInfo | None) -> Iterator[Package]:
    """By its file's name and the version that its manifest tells; what has no version cannot be known by one."""
    fields = _fields(_small(archive, manifest), ": ") if manifest else {}
    place = PurePosixPath(path)
    named = _NAME.fullmatch(place.name)
    version = fields.get("Implementation-Version") or fields.get("Bundle-Version") or (named[2] if named else "")
    if version:
        group = fields.get("Implementation-Vendor-Id", "")
        yield Package("maven" if group else "generic", group, named[1] if named else place.stem, version)


def _small(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> str:
    with archive.open(member) as content:
        return content.read(_SMALL).decode(errors="replace")


def _fields(text: str, mark: str) -> dict[str, str]:
    lines = (line.partition(mark) for line in text.splitlines() if not line.startswith("#"))
    return {key.strip(): value.strip() for key, found, value in lines if found}
