"""Machines of this computer as values of ours, and what is wrong with the computer as their place."""

import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from agent.labels import labels_from
from agent.machines.state import Attached, MachineState
from agent.targets.qemu.power import PROGRAM, Power, fixed_address
from agent.targets.qemu.shelf import Record, Shelf

_SSH = 22
_ANSWER_SECONDS = 0.3
_PROGRAMS = ((PROGRAM, "qemu-system-x86"), ("qemu-img", "qemu-utils"), ("ip", "iproute2"))


def machine_from(record: Record, shelf: Shelf, power: Power) -> MachineState:
    """A machine as it is now."""
    on = power.on(record.id)
    there = on and answers(record)
    own = Attached(str(shelf.disk(record.id)), "", record.size)
    return MachineState(
        id=record.id,
        name=record.name,
        power="on" if on else "off",
        labels=labels_from(record.marks),
        cpus=record.cpus,
        memory=record.memory,
        autostart=record.autostart,
        disks=(own, *(shelf.attached(disk) for disk in record.disks)),
        tools=there,
        address=fixed_address(record) if there else None,
        snapshots=tuple(record.snapshots),
    )


def answers(record: Record) -> bool:
    """Whether the guest is there: no tools tell it, but the address that it was given answers, or refuses."""
    address = fixed_address(record)
    if address is None:
        return False
    try:
        socket.create_connection((address, _SSH), _ANSWER_SECONDS).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True


def is_bridge(name: str) -> bool:
    """Whether this computer has a bridge of that name."""
    return Path("/sys/class/net", name, "bridge").is_dir()


def faults_of(hypervisor: str, networks: Mapping[str, str]) -> Iterator[str]:
    """All that this computer lacks to be a hypervisor; `networks` are bridges by role."""
    for role, bridge in networks.items():
        if not is_bridge(bridge):
            yield f"hypervisors.{hypervisor}.networks.{role}: this computer has no bridge {bridge}"
    for program, package in _PROGRAMS:
        if not shutil.which(program):
            yield f"hypervisors.{hypervisor}: {program} is not installed (Debian: {package})"
