"""One ESX or vCenter as a Hypervisor."""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from pyVmomi import vim, vmodl

from agent.labels import Labels, Owner
from agent.machines.state import DiskState, HypervisorState, MachineState
from agent.targets.engine import Blobs
from agent.targets.esx import reading
from agent.targets.esx.autostart import Autostart
from agent.targets.esx.disks import Disks
from agent.targets.esx.export import export
from agent.targets.esx.ovf import DISK, DiskFile, descriptor
from agent.targets.esx.packing import Packing
from agent.targets.esx.place import Finder, require
from agent.targets.esx.session import Session
from agent.targets.esx.specs import changed, completed, hardware_spec
from agent.targets.esx.upload import Lease
from agent.targets.hypervisor import Blueprint, Hardware, HeldError
from bundle_format.errors import TargetError
from bundle_format.progress import Progress

POLL_SECONDS = 1.0


class EsxHypervisor:
    """A standalone ESX or a vCenter that let us in, acting for one product on one site; a Hypervisor."""

    def __init__(self, session: Session, owner: Owner, scratch: Path) -> None:
        """`scratch` is a folder for disks in the form in which they are uploaded; they leave it by themselves."""
        self.name = session.name
        self._session = session
        self._owner = owner
        self._scratch = scratch
        self._packing = Packing(scratch)
        with session.errors("looking for the place of machines"):
            self._place = Finder(session).place()
        self._disks = Disks(session, self._place, owner)
        self._autostart = Autostart(session, self._place, owner)

    # What is

    def observe(self) -> HypervisorState:
        """Look at it."""
        place = self._place
        with self._session.errors("looking at the machines"):
            machines = self._machines()
            return HypervisorState(
                name=self.name,
                product=self._session.content.about.fullName,
                machines=tuple(machines.values()),
                disks=self._disks.found(machines.values()),
                networks=frozenset(place.networks),
                free=_free(place.datastore),
                free_for_disks=_free(place.disk_datastore),
                faults=place.faults,
                prefix=self._session.access.prefix,
                one_datastore=place.datastore is place.disk_datastore,
                no_autostart=self._autostart.hindrance(machines),
            )

    def inspect(self, machine: str) -> MachineState | None:
        """Look at one machine."""
        found = self._find(machine)
        return found[1] if found else None

    # What shall be

    def create_machine(self, blueprint: Blueprint, name: str, labels: Labels, blobs: Blobs, progress: Progress) -> str:
        """Import a machine from its image."""
        place = require(self._place, self.name)
        missing = sorted({card.network for card in blueprint.cards} - place.networks.keys())
        if missing:
            raise TargetError(
                f"hypervisor {self.name}: no port group plays {', '.join(missing)}; machine {name} was not made",
                f"Name it under [hypervisors.{self.name}.networks] in the site's file.",
            )
        self._remove_draft(name)
        disk = self._packing.packed(blueprint.image, blobs, progress)
        with (
            progress.task(f"send machine {name} to {self.name}", disk.size) as task,
            self._lease(blueprint, name, labels, disk.size) as lease,
        ):
            lease.send(disk.reader(), disk.size, task)
            lease.complete()
            return str(lease.machine._moId)

    def change(self, machine: str, hardware: Hardware, labels: Labels) -> None:
        """Give a machine other hardware."""
        managed, found = self._resting(machine)
        if changed(found, hardware, labels):
            self._reconfigure(managed, hardware_spec(hardware, labels), f"changing machine {found.name}")

    def rename(self, machine: str, name: str) -> None:
        """Give a machine another name."""
        managed, found = self._own(machine)
        if found.name == name:
            return
        other = self._find(name)
        if other is not None:
            raise TargetError(f"hypervisor {self.name}: machine {found.name} cannot be called {name}: one is already")
        self._reconfigure(managed, vim.vm.ConfigSpec(name=name), f"renaming machine {found.name}")

    def start(self, machine: str) -> None:
        """Give a machine power."""
        managed, found = self._own(machine)
        if found.autostart is not None:
            self._autostart.add(managed, self._machines())
        if found.running:
            return
        with suppress(_AlreadyError):
            self._power(managed.PowerOnVM_Task, f"starting machine {found.name}")

    def stop(self, machine: str, grace: int, *, hard: bool) -> None:
        """Take the power from a machine, gently first."""
        if self._find(machine) is None:
            return
        managed, found = self._own(machine)
        self._autostart.remove(managed, found)
        if found.power == "off":
            return
        if found.running and found.tools:
            with suppress(vmodl.MethodFault):
                managed.ShutdownGuest()
            until = time.monotonic() + grace
            while time.monotonic() < until:
                if managed.runtime.powerState == "poweredOff":
                    return
                time.sleep(POLL_SECONDS)
            if not hard and managed.runtime.powerState != "poweredOff":
                raise TargetError(
                    f"hypervisor {self.name}: machine {found.name} has not shut down within {grace} s; it still runs",
                    "Look at its console. The definition forbids to cut its power (power_off = guest).",
                )
        with suppress(_AlreadyError):
            self._power(managed.PowerOffVM_Task, f"switching machine {found.name} off")

    def remove_machine(self, machine: str) -> None:
        """Remove a machine and its own disk."""
        if self._find(machine) is None:
            return
        managed, found = self._resting(machine)
        if found.data_disks:
            raise TargetError(
                f"hypervisor {self.name}: machine {found.name} still has data disks, which would go with it; "
                "it was not removed"
            )
        with self._session.errors(f"removing machine {found.name}"):
            try:
                self._session.wait_raw(managed.Destroy_Task())
            except (vim.fault.TaskInProgress, vim.fault.MethodDisabled) as error:
                raise HeldError(
                    f"hypervisor {self.name}: machine {found.name} is held by another task; it was not removed",
                    "An upload that was cut short ends by itself after some minutes: then try again.",
                ) from error
            except vmodl.fault.ManagedObjectNotFound:
                return  # it went with the upload that held it

    def ensure_disk(self, disk: str, size: int) -> DiskState:
        """Make a data disk if its file is missing."""
        require(self._place, self.name)
        return self._disks.ensure(disk, size)

    def attach(self, machine: str, disks: Sequence[str]) -> None:
        """Give a machine data disks."""
        managed, found = self._resting(machine)
        lacking = [path for path in disks if path not in {held.path for held in found.disks}]
        if not lacking:
            return
        self._disks.require(lacking, self.observe().machines)
        self._reconfigure(managed, self._disks.attachment(managed, lacking), f"giving disks to machine {found.name}")

    def detach(self, machine: str, disks: Sequence[str]) -> None:
        """Take data disks from a machine."""
        managed, found = self._resting(machine)
        if any(held.path in disks for held in found.disks):
            self._reconfigure(managed, self._disks.detachment(managed, disks), f"taking disks from {found.name}")
        self._disks.require(disks, ())

    def grow_disk(self, machine: str, disk: str, size: int) -> None:
        """Make a data disk larger."""
        managed, found = self._own(machine)
        held = next((held for held in found.disks if held.path == disk), None)
        if held is None:
            raise TargetError(f"hypervisor {self.name}: machine {found.name} does not have data disk {disk}")
        if held.size > size:
            raise TargetError(
                f"hypervisor {self.name}: data disk {disk} has {held.size} bytes and would shrink to {size}; "
                "it was left as it is"
            )
        if held.size < size:
            self._reconfigure(managed, self._disks.growth(managed, disk, size), f"growing data disk {disk}")

    def remove_disk(self, disk: str) -> None:
        """Remove a data disk for good."""
        self._disks.remove(disk, self.observe().machines)

    def take_snapshot(self, machine: str, snapshot: str) -> None:
        """Keep a machine as it is."""
        managed, found = self._own(machine)
        if snapshot not in found.snapshots:
            self._disks.require_independent(managed, found)
            with self._session.errors(f"a snapshot of machine {found.name}"):
                task = managed.CreateSnapshot_Task(snapshot, "by floto-agent", False, False)
                self._session.wait(task, f"a snapshot of machine {found.name}")

    def revert(self, machine: str, snapshot: str) -> None:
        """Set a machine back."""
        managed, found = self._resting(machine)
        kept = self._snapshot(managed, snapshot)
        if kept is None:
            raise TargetError(f"hypervisor {self.name}: machine {found.name} has no snapshot {snapshot}")
        with self._session.errors(f"setting machine {found.name} back"):
            self._session.wait(kept.RevertToSnapshot_Task(), f"setting machine {found.name} back")

    def drop_snapshot(self, machine: str, snapshot: str) -> None:
        """Forget a snapshot."""
        managed, found = self._own(machine)
        kept = self._snapshot(managed, snapshot)
        if kept is not None:
            with self._session.errors(f"dropping a snapshot of machine {found.name}"):
                self._session.wait(kept.RemoveSnapshot_Task(False), f"dropping a snapshot of machine {found.name}")

    def export(self, machine: str, out: BinaryIO, progress: Progress) -> None:
        """Write a machine down as an OVA."""
        export(self._session, self._resting(machine), out, self._scratch, progress)

    def close(self) -> None:
        """Log out."""
        self._packing.close()
        self._session.close()

    def _lease(self, blueprint: Blueprint, name: str, labels: Labels, size: int) -> Lease:
        place, session = self._place, self._session
        mapping = [
            vim.OvfManager.NetworkMapping(name=role, network=place.networks[role])
            for role in dict.fromkeys(card.network for card in blueprint.cards)
        ]
        text = descriptor(
            name,
            blueprint.hardware,
            blueprint.firmware,
            [card.network for card in blueprint.cards],
            [DiskFile(DISK, size, blueprint.image.size)],
        )
        wish = vim.OvfManager.CreateImportSpecParams(
            entityName=name, diskProvisioning="thin", networkMapping=mapping, hostSystem=place.host
        )
        with session.errors(f"asking for machine {name}"):
            made = session.content.ovfManager.CreateImportSpec(text, place.pool, place.datastore, wish)
            if made.error:
                raise made.error[0]
            completed(made.importSpec.configSpec, blueprint, labels)
            return Lease(session, place.pool.ImportVApp(made.importSpec, place.folder, self._import_host()))

    def _import_host(self) -> Any:
        """A vCenter wants to be told which of its hosts; a standalone ESX does not know another."""
        is_center = self._session.content.about.apiType == "VirtualCenter"
        return self._place.host if is_center else None

    def _remove_draft(self, name: str) -> None:
        found = self._find(name)
        if found is None:
            return
        state = found[1]
        if state.labels is None or state.labels.owner != self._owner or state.power != "off":
            raise TargetError(
                f"hypervisor {self.name}: the name {name} belongs to a machine that is not ours or runs; "
                "it was left untouched",
                "Look at it, and rename one of them.",
            )
        self.detach(state.id, [disk.path for disk in state.data_disks])
        self.remove_machine(state.id)

    def _power(self, verb: Any, what: str) -> None:
        with self._session.errors(what):
            try:
                self._session.wait_raw(verb())
            except vim.fault.InvalidPowerState as error:  # it got there by itself
                raise _AlreadyError from error

    def _reconfigure(self, managed: Any, spec: Any, what: str) -> None:
        with self._session.errors(what):
            self._session.wait(managed.ReconfigVM_Task(spec), what)

    def _snapshot(self, managed: Any, name: str) -> Any:
        with self._session.errors("looking at snapshots"):
            told = reading.properties_in(self._session.content, self._place.datacenter.vmFolder)[managed]
        return next((one.snapshot for one in reading.snapshots_in(told.get("snapshot")) if one.name == name), None)

    def _machines(self) -> dict[Any, MachineState]:
        datacenter = self._place.datacenter
        return reading.machines_in(self._session.content, datacenter.vmFolder, self._owner) if datacenter else {}

    def _find(self, machine: str) -> tuple[Any, MachineState] | None:
        with self._session.errors("looking for a machine"):
            machines = self._machines()
        by_id = (pair for pair in machines.items() if pair[1].id == machine)
        by_name = (pair for pair in machines.items() if pair[1].name == machine)
        return next(by_id, None) or next(by_name, None)

    def _own(self, machine: str) -> tuple[Any, MachineState]:
        found = self._find(machine)
        if found is None:
            raise TargetError(
                f"hypervisor {self.name}: there is no machine {machine}", "Somebody removed it meanwhile."
            )
        labels = found[1].labels
        if labels is None or labels.owner != self._owner:
            raise TargetError(f"hypervisor {self.name}: machine {found[1].name} is not ours; it was left untouched")
        return found

    def _resting(self, machine: str) -> tuple[Any, MachineState]:
        managed, found = self._own(machine)
        if found.power != "off":
            raise TargetError(f"hypervisor {self.name}: machine {found.name} has power; it was left as it is")
        return managed, found


class _AlreadyError(Exception):
    """A machine was in the wanted state already."""


def _free(datastore: Any) -> int | None:
    return None if datastore is None else int(datastore.summary.freeSpace)
