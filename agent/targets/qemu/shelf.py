"""The folder in which machines of this computer lie: what each is, their disks, and the images that they stand on."""

import os
import secrets
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pydantic import Field, ValidationError

from agent.labels import Owner, labels_from
from agent.machines.state import Attached, DiskState
from agent.targets.engine import Blobs
from bundle_format.durable import sync_folder
from bundle_format.errors import TargetError
from bundle_format.progress import Progress
from bundle_format.release.model import MachineImage
from bundle_format.release.value import Value
from bundle_format.trust.private import make_private_folder, read_private, replace_private

_PIECE = 1 << 20
_NOTHING = bytes(_PIECE)
_RECORD = "machine.json"


class CardRecord(Value):
    """A network card: the bridge that it hangs on, and its address on the wire."""

    bridge: str
    mac: str


class Moment(Value):
    """What of a machine a snapshot keeps besides its disk."""

    cpus: int
    memory: int
    marks: dict[str, str]


class Record(Value):
    """A machine. `marks` are its labels; `guest` may hold secrets; `disks` are paths of data disks in their order."""

    id: str
    name: str
    marks: dict[str, str]
    cpus: int
    memory: int
    autostart: int | None = None
    firmware: str = "bios"
    image: str = ""
    size: int = 0
    cards: tuple[CardRecord, ...] = ()
    guest: dict[str, str] = Field(default_factory=dict)
    disks: tuple[str, ...] = ()
    snapshots: dict[str, Moment] = Field(default_factory=dict)

    @property
    def owner(self) -> Owner | None:
        """For whom it was made; None if somebody else made it."""
        labels = labels_from(self.marks)
        return labels.owner if labels else None


class Shelf:
    """What lies in the folder; every change is whole or not at all."""

    def __init__(self, folder: Path) -> None:
        make_private_folder(folder)
        self.folder = folder

    # Machines

    def records(self) -> Iterator[Record]:
        """All machines, whoever made them."""
        for place in sorted((self.folder / "machines").glob(f"*/{_RECORD}")):
            try:
                yield Record.model_validate_json(read_private(place))
            except FileNotFoundError:
                continue  # it went meanwhile
            except ValidationError as error:
                raise TargetError(f"{place} does not tell of a machine", "Move its folder away by hand.") from error

    def place(self, machine: str) -> Path:
        """Where a machine's own files lie."""
        return self.folder / "machines" / machine

    def disk(self, machine: str) -> Path:
        """A machine's own disk."""
        return self.place(machine) / "disk.qcow2"

    def new_id(self) -> str:
        """An id that no machine has."""
        return secrets.token_hex(4)

    def write(self, record: Record) -> None:
        """Let a machine be as told; its folder must be there."""
        replace_private(self.place(record.id) / _RECORD, record.model_dump_json().encode())

    def remove(self, record: Record) -> None:
        """Take a machine away with its own disk, and the image that nobody else stands on."""
        place = self.place(record.id)
        (place / _RECORD).unlink(missing_ok=True)  # without it the rest is nothing
        shutil.rmtree(place)
        if not any(other.image == record.image for other in self.records()):
            self.image(record.image).unlink(missing_ok=True)

    # Images

    def image(self, digest: str) -> Path:
        """The raw disk of an image."""
        return self.folder / "images" / f"{digest.removeprefix('sha256:')}.raw"

    def bring(self, image: MachineImage, blobs: Blobs, progress: Progress) -> Path:
        """Have an image's disk here, with holes where it is empty; what is here already costs nothing."""
        place = self.image(str(image.disk))
        if place.exists():
            return place
        make_private_folder(place.parent)
        draft = place.with_suffix(".draft")
        with (
            blobs.open(image.disk) as raw,
            draft.open("wb") as out,
            progress.task("unpack the disk", image.size) as task,
        ):
            while piece := raw.read(_PIECE):
                _put(out, piece)
                task.advance(len(piece))
            out.truncate(image.size)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(place)
        sync_folder(place.parent)
        return place

    # Data disks

    def data(self, owner: Owner) -> Path:
        """Where an owner's data disks lie."""
        return self.folder / "disks" / f"{owner.product}-{owner.site}"

    def disks(self, owner: Owner) -> dict[str, DiskState]:
        """An owner's data disks by name."""
        found = sorted(self.data(owner).glob("*.raw"))
        return {file.stem: DiskState(str(file), file.stat().st_size, _uuid(file)) for file in found}

    def make_disk(self, owner: Owner, name: str, size: int) -> None:
        """Make a data disk, empty, unless it is there."""
        place = self.data(owner) / f"{name}.raw"
        if place.exists():
            return
        make_private_folder(self.folder / "disks")
        make_private_folder(place.parent)
        draft = place.with_suffix(".draft")
        with draft.open("wb") as out:
            out.truncate(size)
            os.fsync(out.fileno())
        _name(draft)
        draft.replace(place)
        sync_folder(place.parent)

    def attached(self, path: str) -> Attached:
        """A data disk as a machine has it; its size is 0 where the file is gone."""
        file = Path(path)
        there = file.exists()
        return Attached(path, _uuid(file) if there else "", file.stat().st_size if there else 0, kept=True)


def _put(out: BinaryIO, piece: bytes) -> None:
    """Write a piece, or leave a hole where there is nothing in it."""
    if piece == _NOTHING[: len(piece)]:
        out.seek(len(piece), os.SEEK_CUR)
    else:
        out.write(piece)


_ATTRIBUTE = "user.floto.uuid"


def _name(file: Path) -> None:
    """Give a file an id that goes with it and not with its path, where the file system can."""
    os.setxattr(file, _ATTRIBUTE, uuid.uuid4().hex.encode("ascii"))


def _uuid(file: Path) -> str:
    try:
        return os.getxattr(file, _ATTRIBUTE).decode("ascii")
    except OSError:
        return ""
