"""What a machine shall be, in vSphere's terms."""

from typing import Any

from pyVmomi import vim

from agent.labels import Labels
from agent.machines.state import MachineState
from agent.targets.esx.reading import autostart_option
from agent.targets.hypervisor import Blueprint, Hardware


def completed(spec: Any, blueprint: Blueprint, labels: Labels) -> None:
    """Add to what an OVF descriptor made what that cannot say, so that a machine is ours from its first moment."""
    cards = iter(blueprint.cards)
    for change in spec.deviceChange:
        if isinstance(change.device, vim.vm.device.VirtualEthernetCard):
            change.device.addressType = "manual"
            change.device.macAddress = next(cards).mac
        if isinstance(change.device, vim.vm.device.VirtualDisk):
            # It lies in the machine's own folder, which need not be called like the machine: that one may be renamed.
            assert change.device.backing
            change.device.backing.fileName = ""
    spec.firmware = blueprint.firmware
    spec.annotation = f"{labels.product} on site {labels.site}, made by floto-agent: do not rename or change by hand"
    guest = [_option(key, value) for key, value in blueprint.guest.items()]
    # Without this a guest cannot tell its disks apart by their ids.
    spec.extraConfig = [*_marks(blueprint.hardware, labels), *guest, _option("disk.EnableUUID", "TRUE")]


def hardware_spec(hardware: Hardware, labels: Labels) -> Any:
    """Another hardware and the labels that tell of it, as one change: wholly done or not at all."""
    return vim.vm.ConfigSpec(
        numCPUs=hardware.cpus, memoryMB=hardware.memory >> 20, extraConfig=_marks(hardware, labels)
    )


def changed(found: MachineState, hardware: Hardware, labels: Labels) -> bool:
    """Whether a machine is otherwise."""
    has = (found.cpus, found.memory >> 20, found.autostart, found.labels)
    return has != (hardware.cpus, hardware.memory >> 20, hardware.autostart, labels)


def _marks(hardware: Hardware, labels: Labels) -> list[Any]:
    options = [_option(key, value) for key, value in labels.to_mapping().items()]
    return [*options, autostart_option(hardware.autostart)]


def _option(key: str, value: str) -> Any:
    return vim.option.OptionValue(key=key, value=value)
