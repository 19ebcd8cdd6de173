"""Machines and disks as ESX reports them, as values of ours; what vSphere calls them goes no further."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from pyVmomi import vim, vmodl

from agent.labels import Owner, labels_from
from agent.machines.state import Attached, DiskState, MachineState, Power
from agent.targets.esx.views import in_view

PATHS = [
    "name",
    "config.uuid",
    "config.extraConfig",
    "config.hardware",
    "guest.toolsRunningStatus",
    "guest.ipAddress",
    "runtime.powerState",
    "snapshot",
]
_POWER: dict[str, Power] = {"poweredOn": "on", "poweredOff": "off", "suspended": "suspended"}
_AUTOSTART = "floto.autostart"
_DATA_FOLDER = re.compile(r"^\[[^]]*\] floto-[^/]+/[^/]+$")
"""Data disks lie in a folder of their own, so that no machine takes them along."""


def machines_in(content: Any, folder: Any, owner: Owner) -> dict[Any, MachineState]:
    """All machines below a folder, by their managed objects; those of `owner` first.

    A vCenter has names twice, in several folders: who looks for a name shall find ours.
    """
    told = properties_in(content, folder)
    machines = {managed: machine_from(managed, properties) for managed, properties in told.items()}
    ours = {managed: one for managed, one in machines.items() if one.labels and one.labels.owner == owner}
    return {**ours, **machines}


def properties_in(content: Any, folder: Any) -> dict[Any, dict[str, Any]]:
    """What is read of all machines below a folder, in one question."""
    return in_view(content, folder, vim.VirtualMachine, lambda view: _properties(content, view))


def _properties(content: Any, view: Any) -> dict[Any, dict[str, Any]]:
    # The session's own collector is shared, and answers what others asked.
    collector = content.propertyCollector.CreatePropertyCollector()
    spec = vmodl.query.PropertyCollector
    steps = [spec.TraversalSpec(name="view", path="view", skip=False, type=vim.view.ContainerView)]
    wanted = spec.FilterSpec(
        objectSet=[spec.ObjectSpec(obj=view, skip=True, selectSet=steps)],
        propSet=[spec.PropertySpec(type=vim.VirtualMachine, pathSet=PATHS)],
    )
    found: dict[Any, dict[str, Any]] = {}
    try:
        answer = collector.RetrievePropertiesEx([wanted], spec.RetrieveOptions())
        while answer:
            found |= {one.obj: {told.name: told.val for told in one.propSet} for one in answer.objects}
            answer = collector.ContinueRetrievePropertiesEx(answer.token) if answer.token else None
    finally:
        with contextlib.suppress(vmodl.MethodFault):
            collector.Destroy()
    return found


def machine_from(managed: Any, properties: dict[str, Any]) -> MachineState:
    """One machine from its properties; one that is being made has few of them."""
    extra = {option.key: str(option.value) for option in properties.get("config.extraConfig") or ()}
    labels = labels_from(extra)
    hardware = properties.get("config.hardware")
    autostart = extra.get(_AUTOSTART, "")
    return MachineState(
        id=managed._moId,
        name=properties.get("name", ""),
        power=_POWER[properties.get("runtime.powerState", "poweredOff")],
        labels=labels,
        cpus=hardware.numCPU if hardware else 0,
        memory=(hardware.memoryMB if hardware else 0) << 20,
        autostart=int(autostart) if autostart else None,
        disks=tuple(_attached(disk) for disk in disks_of(hardware)),
        tools=properties.get("guest.toolsRunningStatus") == "guestToolsRunning",
        address=properties.get("guest.ipAddress") or None,
        snapshots=tuple(snapshot.name for snapshot in snapshots_in(properties.get("snapshot"))),
    )


def disks_of(hardware: Any) -> list[Any]:
    """The virtual disks of a machine, in the order of their places on the bus."""
    devices = hardware.device if hardware else ()
    disks = [device for device in devices if isinstance(device, vim.vm.device.VirtualDisk)]
    return sorted(disks, key=lambda disk: (disk.controllerKey or 0, disk.unitNumber or 0))


def snapshots_in(info: Any) -> Iterator[Any]:
    """The snapshots of a machine, outer before inner."""
    waiting = list(info.rootSnapshotList) if info else []
    while waiting:
        snapshot = waiting.pop(0)
        yield snapshot
        waiting += snapshot.childSnapshotList or ()


def disk_from(folder: str, found: Any) -> DiskState:
    """A file in our folder of data disks, as the datastore's browser tells of it."""
    return DiskState(path=f"{folder}/{found.path}", size=(getattr(found, "capacityKb", None) or 0) << 10)


def _attached(disk: Any) -> Attached:
    backing = disk.backing
    path = getattr(backing, "fileName", "") or ""
    size = getattr(disk, "capacityInBytes", None) or (disk.capacityInKB or 0) << 10
    kept = bool(_DATA_FOLDER.search(path))
    return Attached(path, (getattr(backing, "uuid", None) or "").lower(), size, kept)


def autostart_option(autostart: int | None) -> Any:
    """How a machine's place in the order of starting is kept with it."""
    return vim.option.OptionValue(key=_AUTOSTART, value="" if autostart is None else str(autostart))
