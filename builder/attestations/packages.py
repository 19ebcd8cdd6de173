"""The databases of package managers as they lie in images (Debian's, Alpine's, RPM's), and the system they are for."""

import sqlite3
import struct
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

_RPM_ENTRY = struct.Struct(">4I")
_RPM_NAME, _RPM_VERSION, _RPM_RELEASE, _RPM_EPOCH, _RPM_ARCH = 1000, 1001, 1002, 1003, 1022
_RPM_INT32, _RPM_STRING = 4, 6

_SYSTEM, _OF_SYSTEMS = "system", frozenset({"deb", "apk", "rpm"})

UNREAD = {
    "var/lib/rpm/Packages": "RPM database in Berkeley DB",
    "var/lib/rpm/Packages.db": "RPM database in ndb",
    "usr/lib/sysimage/rpm/Packages.db": "RPM database in ndb",
}
"""Databases that are told of and not read."""


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One thing that lies in an image: `kind` as package URLs name it (deb, apk, rpm, maven), `group` its namespace.

    `distribution` is the system that it was made for, such as `ubuntu-24.04`.
    """

    kind: str
    group: str
    name: str
    version: str
    architecture: str = ""
    distribution: str = ""


def is_database(path: str) -> bool:
    """Whether a file of that path, without a slash in front, is one that `packages_in` reads."""
    return path in _READERS or path.startswith("var/lib/dpkg/status.d/")


def of_their_system(packages: Collection[Package]) -> list[Package]:
    """All packages of one image, in order: those of the system bear its name once an os-release among them tells it."""
    system = next((one for one in sorted(packages) if one.kind == _SYSTEM), None)
    told = [one for one in packages if one.kind != _SYSTEM]
    if system:
        distribution = f"{system.name}-{system.version}".rstrip("-")
        told = [
            replace(one, group=system.name, distribution=distribution) if one.kind in _OF_SYSTEMS else one
            for one in told
        ]
    return sorted(told)


def packages_in(path: str, content: bytes) -> list[Package]:
    """The packages that a database names; none where it is damaged: an image's file is what it is."""
    read = _READERS.get(path, _debian)
    try:
        return sorted(set(read(content)))
    except (ValueError, KeyError, IndexError, struct.error, sqlite3.Error):
        return []


def _debian(content: bytes) -> Iterator[Package]:
    for fields in _paragraphs(content, ": "):
        if "Package" in fields and fields.get("Status", "install ok installed").endswith(" installed"):
            yield Package("deb", "debian", fields["Package"], fields["Version"], fields.get("Architecture", ""))


def _system(content: bytes) -> Iterator[Package]:
    """The system itself (os-release, systemd and others)."""
    lines = (line.partition("=") for line in content.decode(errors="replace").splitlines())
    told = {key: value.strip().strip("\"'") for key, _, value in lines}
    yield Package(_SYSTEM, "", told["ID"], told.get("VERSION_ID", ""))


def _alpine(content: bytes) -> Iterator[Package]:
    for fields in _paragraphs(content, ":"):
        if "P" in fields:
            yield Package("apk", "alpine", fields["P"], fields["V"], fields.get("A", ""))


def _paragraphs(content: bytes, mark: str) -> Iterator[dict[str, str]]:
    """Blocks of `KEY: value` lines with a blank line between two; lines that go on an earlier one are passed over."""
    for block in content.decode(errors="replace").split("\n\n"):
        lines = (line.partition(mark) for line in block.splitlines() if not line.startswith((" ", "\t")))
        yield {key: value.strip() for key, _, value in lines}


def _rpm(content: bytes) -> Iterator[Package]:
    if not content:
        return  # SQLite takes an empty database for a lack of memory
    with sqlite3.connect(":memory:") as database:
        database.deserialize(content)
        headers: Iterable[tuple[bytes]] = database.execute("SELECT blob FROM Packages ORDER BY hnum")
        for (header,) in headers:
            tags = _rpm_tags(header)
            epoch = f"{tags[_RPM_EPOCH]}:" if tags.get(_RPM_EPOCH) else ""
            version = f"{epoch}{tags[_RPM_VERSION]}-{tags[_RPM_RELEASE]}"
            yield Package("rpm", "", str(tags[_RPM_NAME]), version, str(tags.get(_RPM_ARCH, "")))


def _rpm_tags(header: bytes) -> dict[int, str | int]:
    """The plain texts and numbers of an RPM header (RPM file format, header structure)."""
    count, _ = struct.unpack_from(">2I", header)
    start = 8 + count * _RPM_ENTRY.size
    tags: dict[int, str | int] = {}
    for number in range(count):
        tag, kind, offset, _ = _RPM_ENTRY.unpack_from(header, 8 + number * _RPM_ENTRY.size)
        if kind == _RPM_STRING:
            tags[tag] = header[start + offset : header.index(b"\0", start + offset)].decode(errors="replace")
        elif kind == _RPM_INT32:
            tags[tag] = int.from_bytes(header[start + offset : start + offset + 4], "big")
    return tags


_READERS = {
    "etc/os-release": _system,
    "usr/lib/os-release": _system,
    "var/lib/dpkg/status": _debian,
    "lib/apk/db/installed": _alpine,
    "usr/lib/apk/db/installed": _alpine,
    "var/lib/rpm/rpmdb.sqlite": _rpm,
    "usr/lib/sysimage/rpm/rpmdb.sqlite": _rpm,
}
