"""This computer as a Hypervisor: machines by qemu, in a folder."""

import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from agent.labels import Labels, Owner
from agent.machines.state import DiskState, HypervisorState, MachineState
from agent.targets.engine import Blobs
from agent.targets.hypervisor import Blueprint, Hardware
from agent.targets.qemu.export import export
from agent.targets.qemu.power import Power
from agent.targets.qemu.reading import answers, faults_of, is_bridge, machine_from
from agent.targets.qemu.shelf import CardRecord, Moment, Record, Shelf
from bundle_format.errors import TargetError
from bundle_format.progress import Progress
from bundle_format.site.hypervisors import LocalAccess
from bundle_format.trust.private import make_private_folder

POLL_SECONDS = 0.5


class QemuHypervisor:
    """A folder with machines, acting for one product on one site; a Hypervisor.

    Hanging a machine on a bridge needs the rights of root.
    """

    def __init__(self, name: str, access: LocalAccess, owner: Owner) -> None:
        self.name = name
        self._shelf = Shelf(Path(access.folder))
        self._networks = access.networks
        self._prefix = access.prefix
        self._owner = owner
        self._power = Power(self._shelf)

    # What is

    def observe(self) -> HypervisorState:
        """Look at it."""
        free = shutil.disk_usage(self._shelf.folder).free
        return HypervisorState(
            name=self.name,
            product="qemu",
            machines=tuple(machine_from(record, self._shelf, self._power) for record in self._shelf.records()),
            disks=self._shelf.disks(self._owner),
            networks=frozenset(role for role, bridge in self._networks.items() if is_bridge(bridge)),
            free=free,
            free_for_disks=free,
            faults=tuple(faults_of(self.name, self._networks)),
            prefix=self._prefix,
            no_autostart="machines on this computer have none",
        )

    def inspect(self, machine: str) -> MachineState | None:
        """Look at one machine."""
        found = self._find(machine)
        return machine_from(found, self._shelf, self._power) if found else None

    # What shall be

    def create_machine(self, blueprint: Blueprint, name: str, labels: Labels, blobs: Blobs, progress: Progress) -> str:
        """Make a machine whose disk stands on its image's."""
        missing = sorted({card.network for card in blueprint.cards} - self._networks.keys())
        if missing:
            raise TargetError(
                f"hypervisor {self.name}: no bridge plays {', '.join(missing)}; machine {name} was not made",
                f"Name it under [hypervisors.{self.name}.networks] in the site's file.",
            )
        if blueprint.firmware != "bios":
            raise TargetError(f"hypervisor {self.name}: machine {name} wants firmware that qemu here has not: efi")
        self._remove_draft(name)
        image = self._shelf.bring(blueprint.image, blobs, progress)
        record = Record(
            id=self._shelf.new_id(),
            name=name,
            marks=labels.to_mapping(),
            cpus=blueprint.hardware.cpus,
            memory=blueprint.hardware.memory,
            autostart=blueprint.hardware.autostart,
            image=str(blueprint.image.disk),
            size=blueprint.image.size,
            cards=tuple(CardRecord(bridge=self._networks[card.network], mac=card.mac) for card in blueprint.cards),
            guest=dict(blueprint.guest),
        )
        make_private_folder(self._shelf.place(record.id))
        made = ["create", "-q", "-f", "qcow2", "-b", str(image), "-F", "raw", str(self._shelf.disk(record.id))]
        self._image(made, f"making machine {name}")
        self._shelf.write(record)  # from now on it is there
        return record.id

    def change(self, machine: str, hardware: Hardware, labels: Labels) -> None:
        """Give a machine other hardware."""
        record = self._resting(machine)
        changes = {"cpus": hardware.cpus, "memory": hardware.memory, "autostart": hardware.autostart}
        self._shelf.write(record.model_copy(update={**changes, "marks": labels.to_mapping()}))

    def rename(self, machine: str, name: str) -> None:
        """Give a machine another name."""
        record = self._own(machine)
        other = next((one for one in self._shelf.records() if one.name == name), None)
        if other and other.id != record.id:
            raise TargetError(f"hypervisor {self.name}: machine {record.name} cannot be called {name}: one is already")
        self._shelf.write(record.model_copy(update={"name": name}))

    def start(self, machine: str) -> None:
        """Give a machine power."""
        record = self._own(machine)
        if not self._power.on(record.id):
            self._require(record.disks, record)
            self._power.start(record)

    def stop(self, machine: str, grace: int, *, hard: bool) -> None:
        """Take the power from a machine, gently first."""
        if self._find(machine) is None:
            return
        record = self._own(machine)
        if not self._power.on(record.id):
            return
        asked = answers(record)
        if asked:
            self._ask(record, "system_powerdown")
            until = time.monotonic() + grace
            while time.monotonic() < until and self._power.on(record.id):
                time.sleep(POLL_SECONDS)
        if self._power.on(record.id):
            if asked and not hard:
                raise TargetError(
                    f"hypervisor {self.name}: machine {record.name} has not shut down within {grace} s; it still runs",
                    "Look at its console. The definition forbids to cut its power (power_off = guest).",
                )
            self._ask(record, "quit")
            while self._power.on(record.id):
                time.sleep(POLL_SECONDS / 10)
        self._power.unplug(record)

    def remove_machine(self, machine: str) -> None:
        """Remove a machine and its own disk."""
        if self._find(machine) is None:
            return
        record = self._resting(machine)
        if record.disks:
            raise TargetError(f"hypervisor {self.name}: machine {record.name} still has data disks; it was not removed")
        self._shelf.remove(record)

    def ensure_disk(self, disk: str, size: int) -> DiskState:
        """Make a data disk if its file is missing."""
        self._shelf.make_disk(self._owner, disk, size)
        return self._shelf.disks(self._owner)[disk]

    def attach(self, machine: str, disks: Sequence[str]) -> None:
        """Give a machine data disks."""
        record = self._resting(machine)
        lacking = [disk for disk in disks if disk not in record.disks]
        self._require(lacking, record)
        self._shelf.write(record.model_copy(update={"disks": (*record.disks, *lacking)}))

    def detach(self, machine: str, disks: Sequence[str]) -> None:
        """Take data disks from a machine."""
        record = self._resting(machine)
        kept = tuple(disk for disk in record.disks if disk not in disks)
        self._shelf.write(record.model_copy(update={"disks": kept}))
        self._require(disks, None)

    def grow_disk(self, machine: str, disk: str, size: int) -> None:
        """Make a data disk larger."""
        record = self._own(machine)
        if disk not in record.disks:
            raise TargetError(f"hypervisor {self.name}: machine {record.name} does not have data disk {disk}")
        has = self._shelf.attached(disk).size
        if has > size:
            raise TargetError(
                f"hypervisor {self.name}: data disk {disk} has {has} bytes and would shrink to {size}; "
                "it was left as it is"
            )
        if self._power.on(record.id):
            self._ask(record, "block_resize", device=f"disk{record.disks.index(disk) + 1}", size=size)
        else:
            self._image(["resize", "-q", "-f", "raw", disk, str(size)], f"growing data disk {disk}")

    def remove_disk(self, disk: str) -> None:
        """Remove a data disk for good."""
        if Path(disk).exists():
            self._require([disk], None, free=True)
            Path(disk).unlink()

    def take_snapshot(self, machine: str, snapshot: str) -> None:
        """Keep a machine as it is."""
        record = self._own(machine)
        if snapshot in record.snapshots:
            return
        self._snapshot(record, "-c", "blockdev-snapshot-internal-sync", snapshot)
        kept = Moment(cpus=record.cpus, memory=record.memory, marks=record.marks)
        self._shelf.write(record.model_copy(update={"snapshots": {**record.snapshots, snapshot: kept}}))

    def revert(self, machine: str, snapshot: str) -> None:
        """Set a machine back."""
        record = self._resting(machine)
        kept = record.snapshots.get(snapshot)
        if kept is None:
            raise TargetError(f"hypervisor {self.name}: machine {record.name} has no snapshot {snapshot}")
        self._snapshot(record, "-a", "", snapshot)
        self._shelf.write(record.model_copy(update=dict(kept)))

    def drop_snapshot(self, machine: str, snapshot: str) -> None:
        """Forget a snapshot."""
        record = self._own(machine)
        if snapshot in record.snapshots:
            rest = {name: kept for name, kept in record.snapshots.items() if name != snapshot}
            self._snapshot(record, "-d", "blockdev-snapshot-delete-internal-sync", snapshot)
            self._shelf.write(record.model_copy(update={"snapshots": rest}))

    def export(self, machine: str, out: BinaryIO, progress: Progress) -> None:
        """Write a machine down as an OVA."""
        record = self._resting(machine)
        export(self._shelf, record, machine_from(record, self._shelf, self._power), out, progress)

    def close(self) -> None:
        """Nothing is held."""

    # How

    def _find(self, machine: str) -> Record | None:
        records = list(self._shelf.records())
        named = (record for record in records if record.name == machine)
        return next((record for record in records if record.id == machine), None) or next(named, None)

    def _own(self, machine: str) -> Record:
        found = self._find(machine)
        if found is None:
            raise TargetError(
                f"hypervisor {self.name}: there is no machine {machine}", "Somebody removed it meanwhile."
            )
        if found.owner != self._owner:
            raise TargetError(f"hypervisor {self.name}: machine {found.name} is not ours; it was left untouched")
        return found

    def _resting(self, machine: str) -> Record:
        record = self._own(machine)
        if self._power.on(record.id):
            raise TargetError(f"hypervisor {self.name}: machine {record.name} has power; it was left as it is")
        return record

    def _remove_draft(self, name: str) -> None:
        found = self._find(name)
        if found is None:
            return
        if found.owner != self._owner or self._power.on(found.id):
            raise TargetError(
                f"hypervisor {self.name}: the name {name} belongs to a machine that is not ours or runs; "
                "it was left untouched",
                "Look at it, and rename one of them.",
            )
        self.detach(found.id, found.disks)
        self.remove_machine(found.id)

    def _require(self, disks: Sequence[str], holder: Record | None, *, free: bool = False) -> None:
        """TargetError unless each data disk is there and no machine but `holder` has it; without one, if it shall."""
        for disk in disks:
            if not Path(disk).exists():
                raise TargetError(
                    f"hypervisor {self.name}: data disk {disk} is not there; nothing was put in its place",
                    "Find out who moved it. Nothing else may take its place: that would be an empty disk.",
                )
            if holder is None and not free:
                continue
            for other in self._shelf.records():
                if disk in other.disks and (holder is None or other.id != holder.id):
                    raise TargetError(
                        f"hypervisor {self.name}: machine {other.name} has data disk {disk}; it was left there"
                    )

    def _snapshot(self, record: Record, option: str, verb: str, snapshot: str) -> None:
        if self._power.on(record.id):
            self._ask(record, verb, device="disk0", name=snapshot)
        else:
            disk = str(self._shelf.disk(record.id))
            self._image(["snapshot", option, snapshot, disk], f"a snapshot of machine {record.name}")

    def _ask(self, record: Record, verb: str, **arguments: object) -> Any:
        with suppress(OSError):  # it went in the very moment; who asks looks again
            return self._power.ask(record.id, verb, **arguments)

    def _image(self, arguments: list[str], what: str) -> None:
        try:
            subprocess.run(["qemu-img", *arguments], check=True, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise TargetError(
                f"hypervisor {self.name}: {what}: qemu-img is not installed", "Debian: qemu-utils"
            ) from error
        except subprocess.CalledProcessError as error:
            raise TargetError(f"hypervisor {self.name}: {what}: {error.stderr.strip()}") from error
