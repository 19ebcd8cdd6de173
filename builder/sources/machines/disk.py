"""Machine images that exist (OVA, OVF, VMDK, qcow2, raw): checked, and kept as the raw disk that they mean.

Raw content compresses better than the deflated grains of a VMDK, and a changed disk can be told as differences; the
form that a hypervisor imports is made from it on site.
"""

import hashlib
import json
import re
import shutil
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from builder.work.child import Child
from bundle_format.digest import CHUNK
from bundle_format.errors import DefinitionError

SECTOR = 512

_RAW = (".raw", ".img")
_CHECKED = ("qcow2",)
_CHECKSUM = re.compile(r"(SHA1|SHA256|SHA512) ?\((.+)\) ?= ?([0-9a-fA-F]+)")
_MOST_TEXT = 4 << 20


class Disks:
    """Turns machine images into raw disks, by qemu-img; `scratch` is a folder for what it writes."""

    def __init__(self, scratch: Path, child: Child, log: list[str]) -> None:
        """`child` runs qemu-img and leaves what it says in `log`."""
        self._scratch = scratch
        self._child = child
        self._log = log

    @contextmanager
    def raw(self, image: Path) -> Iterator[Path]:
        """A machine image as a raw disk that lives as long as the context.

        DefinitionError where it is damaged, more than one disk, or refers to other files.
        """
        with self._room() as room:
            disk = _disk_of(image, room)
            raw = disk if disk.suffix.lower() in _RAW else self._converted(disk, room)
            if raw.stat().st_size % SECTOR or not raw.stat().st_size:
                raise DefinitionError(f"{disk.name} is no disk: its size is no number of {SECTOR}-byte sectors")
            yield raw

    def _converted(self, disk: Path, room: Path) -> Path:
        told = self._told(disk)
        kind = str(told.get("format"))
        extents = told.get("format-specific", {}).get("data", {}).get("extents", ())
        outside = [one["filename"] for one in extents if Path(one.get("filename", disk)).parent != disk.parent]
        if "backing-filename" in told or "data-file" in told.get("format-specific", {}).get("data", {}) or outside:
            # What it refers to may be any file of this machine.
            raise DefinitionError(
                f"{disk.name} is no whole disk: it refers to other files", "Flatten it: qemu-img convert"
            )
        if kind in _CHECKED:
            self._run("qemu-img", "check", "-q", "-f", kind, str(disk), what=f"the check of {disk.name}")
        raw = room / "disk.raw"
        self._run("qemu-img", "convert", "-f", kind, "-O", "raw", str(disk), str(raw), what=f"reading {disk.name}")
        return raw

    def _told(self, disk: Path) -> dict[str, Any]:
        del self._log[:]
        self._run("qemu-img", "info", "--output=json", str(disk), what=f"reading {disk.name}")
        try:
            told = json.loads("\n".join(self._log))
        except ValueError as error:
            raise DefinitionError(f"{disk.name} is no disk that qemu-img knows") from error
        assert isinstance(told, dict)
        if told.get("format") == "raw":
            raise DefinitionError(
                f"{disk.name} is no VMDK and no qcow2", "If it is a raw disk, let its name end in .raw or .img."
            )
        return told

    def _run(self, *command: str, what: str) -> None:
        self._child.run(command, what=what)

    @contextmanager
    def _room(self) -> Iterator[Path]:
        self._scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as name:
            yield Path(name)


def _disk_of(image: Path, room: Path) -> Path:
    """The file of the one disk of an image, unpacked into `room` where it is in an OVA."""
    match image.suffix.lower():
        case ".ova":
            return _unpacked(image, room)
        case ".ovf":
            name = _only_disk(image.read_bytes(), image.name)
            _check_manifest(image.with_suffix(".mf"), image.parent)
            return _beside(image.parent, name)
    return image


def _unpacked(ova: Path, room: Path) -> Path:
    """Unpack an OVA's plain files, whose names have no folders (OVF specification, OVA file)."""
    try:
        with tarfile.open(ova) as tar:
            for member in tar:
                if not member.isreg() or "/" in member.name or member.name in {"", ".", ".."}:
                    raise DefinitionError(f"{ova.name} holds {member.name!r}, which is no plain file")
                content = tar.extractfile(member)
                assert content is not None
                with (room / member.name).open("wb") as file:
                    shutil.copyfileobj(content, file, CHUNK)
    except tarfile.TarError as error:
        raise DefinitionError(f"{ova.name} is no OVA: {error}") from error
    descriptors = sorted(room.glob("*.ovf"))
    if len(descriptors) != 1:
        raise DefinitionError(f"{ova.name} has {len(descriptors)} OVF descriptors, and must have one")
    _check_manifest(descriptors[0].with_suffix(".mf"), room)
    return _beside(room, _only_disk(descriptors[0].read_bytes(), ova.name))


def _only_disk(descriptor: bytes, name: str) -> str:
    """The file of the only disk that an OVF descriptor has."""
    try:
        if len(descriptor) > _MOST_TEXT:
            raise ValueError("more than 4 MiB")
        root = ET.fromstring(descriptor)  # noqa: S314  # expat bounds what entities may grow to
    except (ET.ParseError, ValueError) as error:
        raise DefinitionError(f"{name} has no readable OVF descriptor: {error}") from error
    elements = [(element.tag.rpartition("}")[2], _local(element)) for element in root.iter()]
    files = {attributes.get("id"): attributes.get("href", "") for tag, attributes in elements if tag == "File"}
    disks = [files.get(attributes.get("fileRef"), "") for tag, attributes in elements if tag == "Disk"]
    if len(disks) != 1 or not disks[0]:
        raise DefinitionError(
            f"{name} has {len(disks)} disks, and must have one with a file", "Data disks: data_disk()"
        )
    return disks[0]


def _local(element: ET.Element) -> dict[str, str]:
    return {key.rpartition("}")[2]: value for key, value in element.attrib.items()}


def _beside(folder: Path, name: str) -> Path:
    place = folder / name
    if PurePosixPath(name).name != name or not place.is_file():
        raise DefinitionError(f"the disk {name!r} does not lie beside its OVF descriptor")
    return place


def _check_manifest(manifest: Path, folder: Path) -> None:
    """Compare the files with the checksums of a .mf, where there is one."""
    if not manifest.is_file():
        return
    for line in manifest.read_text(encoding="utf-8").splitlines():
        if found := _CHECKSUM.fullmatch(line.strip()):
            with _beside(folder, found[2]).open("rb") as stream:
                digits = hashlib.file_digest(stream, found[1].lower()).hexdigest()
            if digits != found[3].lower():
                raise DefinitionError(f"{found[2]} is not what {manifest.name} says: {found[1]} is {digits}")
