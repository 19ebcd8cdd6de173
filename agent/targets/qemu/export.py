"""A machine of this computer written down as an OVA: descriptor first, then its disks in their order."""

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import BinaryIO

from agent.machines.state import MachineState
from agent.targets.esx.ovf import DiskFile, descriptor
from agent.targets.hypervisor import Hardware
from agent.targets.qemu.shelf import Record, Shelf
from bundle_format.errors import TargetError
from bundle_format.progress import Progress


def export(shelf: Shelf, record: Record, state: MachineState, out: BinaryIO, progress: Progress) -> None:
    """Write the OVA to `out`, the disks kept beside the machine until their sizes are known."""
    forms = [(shelf.disk(record.id), "qcow2"), *((Path(disk), "raw") for disk in record.disks)]
    with tempfile.TemporaryDirectory(dir=shelf.place(record.id)) as scratch, progress.task(f"export {record.name}"):
        made = [_packed(disk, form, Path(scratch, f"{number}.vmdk")) for number, (disk, form) in enumerate(forms, 1)]
        files = [
            DiskFile(f"{record.name}-disk{number}.vmdk", file.stat().st_size, disk.size)
            for number, (file, disk) in enumerate(zip(made, state.disks, strict=True), 1)
        ]
        networks = [card.bridge for card in record.cards]
        hardware = Hardware(record.cpus, record.memory)
        text = descriptor(record.name, hardware, record.firmware, networks, files).encode()
        # Sizes beyond 8 GiB need GNU's numbers, which OVA readers know.
        with tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT) as archive:
            _add(archive, f"{record.name}.ovf", len(text), io.BytesIO(text))
            for told, file in zip(files, made, strict=True):
                with file.open("rb") as content:
                    _add(archive, told.name, told.stored, content)


def _packed(disk: Path, form: str, made: Path) -> Path:
    command = ["qemu-img", "convert", "-f", form, "-O", "vmdk", "-o", "subformat=streamOptimized"]
    done = subprocess.run([*command, str(disk), str(made)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise TargetError(f"{disk} cannot be packed: {done.stderr.strip()}; it was left as it is")
    return made


def _add(archive: tarfile.TarFile, name: str, size: int, content: BinaryIO) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    archive.addfile(member, content)
