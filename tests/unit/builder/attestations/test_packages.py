"""Package databases and jars are read as they lie in images, and nothing in them can break a build."""

import io
import sqlite3
import struct
import zipfile
from pathlib import Path

import pytest

from builder.attestations.jars import jars_in
from builder.attestations.packages import Package, packages_in

DEBIAN = b"""Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u13
Description: GNU C Library
 Version: not this one

Package: gone
Status: deinstall ok config-files
Version: 1.0
"""
ALPINE = b"""C:Q1abc=
P:musl
V:1.2.5-r0
A:x86_64

P:busybox
V:1.36.1-r29
A:x86_64
"""


def test_debian_packages_that_are_installed() -> None:
    libc = Package("deb", "debian", "libc6", "2.36-9+deb12u13", "amd64")
    assert packages_in("var/lib/dpkg/status", DEBIAN) == [libc]
    distroless = b"Package: tzdata\nVersion: 2024a\nArchitecture: all\n"
    assert packages_in("var/lib/dpkg/status.d/tzdata", distroless) == [
        Package("deb", "debian", "tzdata", "2024a", "all")
    ]


def test_alpine_packages() -> None:
    assert [(one.name, one.version) for one in packages_in("lib/apk/db/installed", ALPINE)] == [
        ("busybox", "1.36.1-r29"),
        ("musl", "1.2.5-r0"),
    ]


def rpm_header(**texts: str | int) -> bytes:
    tags = {"name": 1000, "version": 1001, "release": 1002, "epoch": 1003, "arch": 1022}
    entries, data = b"", b""
    for key, value in texts.items():
        kind = 4 if isinstance(value, int) else 6
        entries += struct.pack(">4I", tags[key], kind, len(data), 1)
        data += value.to_bytes(4, "big") if isinstance(value, int) else value.encode() + b"\0"
    return struct.pack(">2I", len(texts), len(data)) + entries + data


def test_rpm_packages(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "rpmdb.sqlite") as database:
        database.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
        for header in (
            rpm_header(name="bash", version="5.2", release="1.fc40", arch="x86_64"),
            rpm_header(name="openssl", version="3.2", release="2", epoch=1, arch="x86_64"),
        ):
            database.execute("INSERT INTO Packages (blob) VALUES (?)", (header,))
    found = packages_in("usr/lib/sysimage/rpm/rpmdb.sqlite", (tmp_path / "rpmdb.sqlite").read_bytes())
    assert [(one.name, one.version) for one in found] == [("bash", "5.2-1.fc40"), ("openssl", "1:3.2-2")]


@pytest.mark.parametrize("path", ["var/lib/dpkg/status", "lib/apk/db/installed", "var/lib/rpm/rpmdb.sqlite"])
@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"Package: x\nP:y\n", b"SQLite format 3\0" + b"\xff" * 500])
def test_a_damaged_database_is_no_error(path: str, content: bytes) -> None:
    assert packages_in(path, content) == []


def jar(**members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def test_a_jar_is_what_its_pom_says_and_tells_of_those_inside() -> None:
    pom = b"#Generated\nversion=1.2\ngroupId=com.acme\nartifactId=core\n"
    inner = jar(**{"META-INF/maven/com.acme/core/pom.properties": pom})
    manifest = b"Manifest-Version: 1.0\r\nImplementation-Version: 7\r\nImplementation-Vendor-Id: org.shop\r\n"
    war = jar(**{"META-INF/MANIFEST.MF": manifest, "WEB-INF/lib/core.jar": inner, "WEB-INF/lib/named-3.1.jar": jar()})
    assert jars_in("opt/shop.war", io.BytesIO(war)) == [
        Package("generic", "", "named", "3.1"),
        Package("maven", "com.acme", "core", "1.2"),
        Package("maven", "org.shop", "shop", "7"),
    ]


def test_what_is_no_jar_is_no_error() -> None:
    assert jars_in("opt/broken.jar", io.BytesIO(b"PK\x03\x04 and then nothing")) == []
