"""The packages on a machine image: its partitions are found, and package databases read from ext file systems."""

import struct
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from builder.attestations.packages import Package, is_database, of_their_system, packages_in
from builder.attestations.scan import Contents

SECTOR = 512

_DATABASES = (
    "etc/os-release",
    "usr/lib/os-release",
    "var/lib/dpkg/status",
    "lib/apk/db/installed",
    "usr/lib/apk/db/installed",
    "var/lib/rpm/rpmdb.sqlite",
    "usr/lib/sysimage/rpm/rpmdb.sqlite",
)
_MBR_ENTRIES, _MBR_ENTRY = 446, struct.Struct("<4xB3xII")
_GPT_HEADER, _GPT_ENTRY = struct.Struct("<72xQII"), struct.Struct("<16s16sQQ")
_MOST_PARTITIONS = 128
_EXT_MAGIC, _EXT_AT = b"\x53\xef", 1024 + 56


def packages_on(raw: Path, env: Mapping[str, str]) -> Contents:
    """What package databases on a raw disk say; partitions with no ext file system are told as unread.

    `debugfs` (e2fsprogs) reads the files, so that nothing of the disk is mounted; without it all is unread.
    """
    packages: set[Package] = set()
    unread = []
    with raw.open("rb") as disk:
        for number, start in enumerate(_partitions(disk), 1):
            if _at(disk, start + _EXT_AT, 2) == _EXT_MAGIC:
                packages.update(_read(raw, start, env))
            else:
                unread.append(f"partition {number} (no ext file system)")
    return Contents(tuple(of_their_system(packages)), tuple(unread))


def _read(raw: Path, start: int, env: Mapping[str, str]) -> Iterator[Package]:
    for path in filter(is_database, _DATABASES):
        command = ["debugfs", "-R", f"cat /{path}", f"{raw}?offset={start}"]
        try:
            answer = subprocess.run(command, env=dict(env), capture_output=True, check=False)
        except OSError:
            return
        if answer.returncode == 0 and answer.stdout:
            yield from packages_in(path, answer.stdout)


def _partitions(disk: BinaryIO) -> Iterator[int]:
    """Where each partition begins, in bytes; the disk itself where it has no table of them."""
    first = _at(disk, 0, SECTOR)
    if first[510:] != b"\x55\xaa":
        yield 0
    elif _at(disk, SECTOR, 8) == b"EFI PART":
        yield from _gpt(disk)
    else:
        entries = (_MBR_ENTRY.unpack_from(first, _MBR_ENTRIES + number * 16) for number in range(4))
        yield from (start * SECTOR for kind, start, size in entries if kind and start and size)


def _gpt(disk: BinaryIO) -> Iterator[int]:
    table, count, size = _GPT_HEADER.unpack_from(_at(disk, SECTOR, _GPT_HEADER.size))
    for number in range(min(count, _MOST_PARTITIONS)):
        entry = _at(disk, table * SECTOR + number * size, _GPT_ENTRY.size)
        if len(entry) == _GPT_ENTRY.size:
            kind, _, start, _ = _GPT_ENTRY.unpack(entry)
            if any(kind):
                yield start * SECTOR


def _at(disk: BinaryIO, offset: int, size: int) -> bytes:
    disk.seek(offset)
    return disk.read(size)
