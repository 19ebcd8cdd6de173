"""A machine written down as an OVA: descriptor first, then its disks, whole, in their order."""

import http.client
import io
import tarfile
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from agent.machines.state import MachineState
from agent.targets.esx.ovf import DiskFile, descriptor
from agent.targets.esx.session import Session
from agent.targets.esx.upload import BEAT_SECONDS, READY_SECONDS, open_url
from agent.targets.hypervisor import Hardware
from bundle_format.errors import TargetError
from bundle_format.progress import Progress, Task

_PIECE = 1 << 20


def export(
    session: Session, machine: tuple[Any, MachineState], out: BinaryIO, scratch: Path, progress: Progress
) -> None:
    """Write the OVA to `out`, the disks kept in `scratch` until their sizes are known; the machine stays as it is."""
    managed, found = machine
    with session.errors(f"exporting machine {found.name}"):
        lease = managed.ExportVm()
    over = threading.Event()
    beat = threading.Thread(target=_keep_alive, args=(lease, over), name="lease", daemon=True)
    try:
        with session.errors(f"exporting machine {found.name}"):
            _await_ready(session, lease, found)
            beat.start()
            places = [place for place in lease.info.deviceUrl if place.disk]
            with tempfile.TemporaryFile(dir=scratch) as kept, progress.task(f"export {found.name}") as task:
                ends = [_fetch(session, place, kept, task) for place in places]
                _write(machine, ends, kept, out)
            lease.Complete()
    finally:
        over.set()
        with suppress(Exception):  # it is over already where all went well
            lease.Abort()


def _await_ready(session: Session, lease: Any, found: MachineState) -> None:
    until = time.monotonic() + READY_SECONDS
    while lease.state == "initializing" and time.monotonic() < until:
        time.sleep(0.1)
    if lease.state != "ready":
        raise TargetError(f"hypervisor {session.name}: machine {found.name} is not given out; it was left as it is")


def _fetch(session: Session, place: Any, kept: BinaryIO, task: Task) -> int:
    """Append a disk to what is kept; where it ends there."""
    connection, path = open_url(session, place)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise TargetError(f"hypervisor {session.name}: it refuses the disk {place.key}: {answer.status}")
        while piece := answer.read(_PIECE):
            kept.write(piece)
            task.advance(len(piece))
    finally:
        connection.close()
    return kept.tell()


def _write(machine: tuple[Any, MachineState], ends: list[int], kept: BinaryIO, out: BinaryIO) -> None:
    managed, found = machine
    networks = [network.name for network in managed.network]
    sizes = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    files = [
        DiskFile(f"{found.name}-disk{number}.vmdk", size, disk.size)
        for number, (size, disk) in enumerate(zip(sizes, found.disks, strict=True), 1)
    ]
    hardware = Hardware(found.cpus, found.memory)
    text = descriptor(found.name, hardware, managed.config.firmware, networks, files).encode()
    kept.seek(0)
    # Sizes beyond 8 GiB need GNU's numbers, which OVA readers know.
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT) as archive:
        _add(archive, f"{found.name}.ovf", len(text), io.BytesIO(text))
        for file in files:
            _add(archive, file.name, file.stored, kept)


def _add(archive: tarfile.TarFile, name: str, size: int, content: BinaryIO) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    archive.addfile(member, content)


def _keep_alive(lease: Any, over: threading.Event) -> None:
    while not over.wait(BEAT_SECONDS):
        with suppress(Exception):
            lease.Progress(50)
