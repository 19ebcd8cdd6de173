"""This computer as a hypervisor for the contract: real machines under qemu, on bridges of the test's own."""

import shutil
from contextlib import ExitStack
from pathlib import Path

from agent.labels import Owner
from agent.targets.qemu.hypervisor import QemuHypervisor
from agent.targets.qemu.power import PROGRAM
from agent.targets.qemu.shelf import Record, Shelf
from bundle_format.site.hypervisors import LocalAccess
from bundle_format.trust.private import make_private_folder
from tests.contracts.boxes import OWNER
from tests.lab.network import LabNetwork


def qemu_missing() -> str | None:
    """Why there can be no machines here; None if there can."""
    lacking = [program for program in (PROGRAM, "qemu-img", "ip") if not shutil.which(program)]
    return f"not installed: {', '.join(lacking)} (Debian: qemu-system-x86 qemu-utils iproute2)" if lacking else None


class QemuBox:
    def __init__(self, folder: Path, closing: ExitStack) -> None:
        self._folder = folder
        networks = {role: closing.enter_context(LabNetwork()) for role in ("lan", "backup")}
        self._networks = {role: network.name for role, network in networks.items()}
        closing.callback(self._clear)

    def hypervisor(self, owner: Owner = OWNER) -> QemuHypervisor:
        access = LocalAccess(kind="qemu", folder=str(self._folder), networks=self._networks)
        return QemuHypervisor("here", access, owner)

    def add_foreign(self, name: str) -> None:
        shelf = Shelf(self._folder)
        record = Record(id=shelf.new_id(), name=name, marks={}, cpus=1, memory=64 << 20)
        make_private_folder(shelf.place(record.id))
        shelf.write(record)

    def lose(self, disk: str) -> None:
        Path(disk).unlink()

    def _clear(self) -> None:
        here = self.hypervisor()
        for machine in here.observe().machines:
            if machine.running:
                here.stop(machine.id, 0, hard=True)
