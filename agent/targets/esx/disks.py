"""Data disks: files in a folder of their own on a datastore, which machines come and go from."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pyVmomi import vim

from agent.labels import Owner
from agent.machines.state import DiskState, MachineState
from agent.targets.esx.place import Place
from agent.targets.esx.reading import disk_from, disks_of
from agent.targets.esx.session import Session
from bundle_format.errors import TargetError

_CONTROLLERS_OWN = 7
_MODE = "independent_persistent"
"""Snapshots leave such a disk out."""


class Disks:
    """The data disks of one product on one site."""

    def __init__(self, session: Session, place: Place, owner: Owner) -> None:
        self._session = session
        self._place = place
        self._owner = owner

    def found(self, machines: Iterable[MachineState]) -> Mapping[str, DiskState]:
        """The disks whose files are there, by name; what a machine has tells more than the datastore."""
        if self._place.disk_datastore is None:
            return {}
        held = {disk.path: disk for machine in machines for disk in machine.disks}
        disks = {}
        for file in self._files():
            state = disk_from(self._folder, file)
            attached = held.get(state.path)
            size = attached.size if attached else state.size
            disks[file.path.removesuffix(".vmdk")] = DiskState(state.path, size, self._uuid(state.path))
        return disks

    def ensure(self, disk: str, size: int) -> DiskState:
        """The disk of that name, made if its file is missing."""
        path = f"{self._folder}/{disk}.vmdk"
        if not any(file.path == f"{disk}.vmdk" for file in self._files()):
            content, datacenter = self._session.content, self._place.datacenter
            with self._session.errors(f"making data disk {disk}"):
                content.fileManager.MakeDirectory(self._folder, datacenter, True)
                spec = vim.VirtualDiskManager.FileBackedVirtualDiskSpec(
                    diskType="thin", adapterType="lsiLogic", capacityKb=size >> 10
                )
                task = content.virtualDiskManager.CreateVirtualDisk_Task(path, datacenter, spec)
                self._session.wait(task, f"making data disk {disk}")
        return self.found(())[disk]

    def require(self, paths: Iterable[str], machines: Iterable[MachineState]) -> None:
        """TargetError unless each file is there and none of `machines` has it."""
        there = {f"{self._folder}/{file.path}" for file in self._files()}
        for path in paths:
            if path not in there:
                raise TargetError(
                    f"hypervisor {self._session.name}: data disk {path} is not there; nothing was put in its place",
                    "Find out who moved it. Nothing else may take its place: that would be an empty disk.",
                )
            for machine in machines:
                if any(disk.path == path for disk in machine.disks):
                    raise TargetError(
                        f"hypervisor {self._session.name}: machine {machine.name} has data disk {path}; "
                        "it was left there"
                    )

    def remove(self, path: str, machines: Iterable[MachineState]) -> None:
        """Remove a file with all its data; done if it is gone."""
        if path not in {f"{self._folder}/{file.path}" for file in self._files()}:
            return
        self.require([path], machines)
        with self._session.errors(f"removing data disk {path}"):
            manager = self._session.content.virtualDiskManager
            task = manager.DeleteVirtualDisk_Task(path, self._place.datacenter)
            self._session.wait(task, f"removing data disk {path}")

    def require_independent(self, managed: Any, machine: MachineState) -> None:
        """TargetError if a snapshot of the machine would take a data disk along, whose data going back would undo."""
        kept = {disk.path for disk in machine.data_disks}
        for disk in disks_of(managed.config.hardware):
            if disk.backing.fileName in kept and disk.backing.diskMode != _MODE:
                raise TargetError(
                    f"hypervisor {self._session.name}: data disk {disk.backing.fileName} of machine {machine.name} was "
                    f"set to {disk.backing.diskMode} by hand; no snapshot was taken, for it would take the disk along",
                    "Set its mode to independent, persistent on the hypervisor.",
                )

    def attachment(self, managed: Any, paths: Sequence[str]) -> Any:
        """The change that gives a machine these disks, all or none; snapshots of it leave them out."""
        hardware = managed.config.hardware
        disks = disks_of(hardware)
        controller = disks[0].controllerKey
        taken = {disk.unitNumber for disk in disks if disk.controllerKey == controller} | {_CONTROLLERS_OWN}
        places = (place for place in range(64) if place not in taken)
        changes = []
        for number, path in enumerate(paths):
            backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
                fileName=path, diskMode=_MODE, datastore=self._place.disk_datastore
            )
            disk = vim.vm.device.VirtualDisk(
                key=-1 - number, controllerKey=controller, unitNumber=next(places), backing=backing
            )
            changes.append(vim.vm.device.VirtualDeviceSpec(operation="add", device=disk))
        return vim.vm.ConfigSpec(deviceChange=changes)

    def detachment(self, managed: Any, paths: Sequence[str]) -> Any:
        """The change that takes these disks from a machine; without a file operation, their files stay."""
        disks = [disk for disk in disks_of(managed.config.hardware) if disk.backing.fileName in paths]
        changes = [vim.vm.device.VirtualDeviceSpec(operation="remove", device=disk) for disk in disks]
        return vim.vm.ConfigSpec(deviceChange=changes)

    def growth(self, managed: Any, path: str, size: int) -> Any:
        """The change that makes a disk of a machine larger."""
        [disk] = [disk for disk in disks_of(managed.config.hardware) if disk.backing.fileName == path]
        disk.capacityInKB = size >> 10
        disk.capacityInBytes = size
        return vim.vm.ConfigSpec(deviceChange=[vim.vm.device.VirtualDeviceSpec(operation="edit", device=disk)])

    @property
    def _folder(self) -> str:
        return f"[{self._place.disk_datastore.name}] floto-{self._owner.product}-{self._owner.site}"

    def _files(self) -> list[Any]:
        query = vim.host.DatastoreBrowser.VmDiskQuery(
            details=vim.host.DatastoreBrowser.VmDiskQuery.Details(
                capacityKb=True, diskType=False, hardwareVersion=False
            )
        )
        spec = vim.host.DatastoreBrowser.SearchSpec(
            query=[query],
            matchPattern=["*.vmdk"],
            details=vim.host.DatastoreBrowser.FileInfo.Details(
                fileType=True, fileSize=False, modification=False, fileOwner=False
            ),
        )
        with self._session.errors("looking for data disks"):
            try:
                task = self._place.disk_datastore.browser.SearchDatastore_Task(self._folder, spec)
                files = self._session.wait_raw(task).file
            except vim.fault.FileNotFound:
                return []
        return [file for file in files if not file.path.endswith("-flat.vmdk")]

    def _uuid(self, path: str) -> str:
        with self._session.errors(f"asking for the id of data disk {path}"):
            manager = self._session.content.virtualDiskManager
            return _plain(manager.QueryVirtualDiskUuid(path, self._place.datacenter))


def _plain(uuid: str) -> str:
    """vSphere writes the same id with blanks here and with dashes there."""
    return uuid.replace(" ", "").replace("-", "").lower()
