"""Removing machines and data disks for good: what nothing else removes."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.history import Undertaking
from agent.labels import Owner
from agent.machines.state import HypervisorState, KnownDisk, MachineState
from agent.steps import aside_name, draft_name
from agent.targets.hypervisor import Hypervisor
from bundle_format.errors import MissingError, PreflightError

GRACE = 120


@dataclass(frozen=True, slots=True)
class DoomedDisk:
    """A data disk that goes; `path` is None where its file is gone already and only the memory of it goes."""

    hypervisor: str
    path: str | None


@dataclass(frozen=True, slots=True)
class DoomedMachine:
    """A machine that goes; its data disks are taken off it and stay."""

    hypervisor: str
    machine: MachineState


def doomed_disk(states: Mapping[str, HypervisorState], known: Mapping[str, KnownDisk], name: str) -> DoomedDisk:
    """The data disk of that name; MissingError where nobody knows one, PreflightError while a machine has it."""
    for state in states.values():
        if name in state.disks:
            path = state.disks[name].path
            holder = next((one for one in state.machines if path in {disk.path for disk in one.disks}), None)
            if holder:
                raise PreflightError(
                    f"machine {holder.name} has data disk {name}; nothing was removed",
                    "A release without that disk frees it; then ask again.",
                )
            return DoomedDisk(state.name, path)
    if name not in known:
        raise MissingError(f"no hypervisor that answers has a data disk {name} of ours, and this site knows none")
    if known[name].hypervisor not in states:
        raise PreflightError(f"hypervisor {known[name].hypervisor}, which had data disk {name}, does not answer")
    return DoomedDisk(known[name].hypervisor, None)


def doomed_machine(
    states: Mapping[str, HypervisorState], owner: Owner, undertaking: Undertaking, host: str
) -> DoomedMachine:
    """The machine of a host that the release no longer has; MissingError or PreflightError where there is none such."""
    if host in undertaking.hosts:
        raise PreflightError(
            f"{host} belongs to the release that runs; nothing was removed",
            f"To make its machine anew: floto-agent redeploy {host}",
        )
    for state in states.values():
        name = state.machine_name(host)
        for called in (name, aside_name(name), draft_name(name)):
            found = state.machine(called)
            if found and found.labels and found.labels.owner == owner:
                return DoomedMachine(state.name, found)
    raise MissingError(f"no hypervisor that answers has a machine of ours for {host}")


def purge_machine(doomed: DoomedMachine, hypervisor: Hypervisor) -> None:
    """Remove it, its data disks taken off before."""
    machine = doomed.machine
    hypervisor.stop(machine.id, GRACE, hard=True)
    hypervisor.detach(machine.id, [disk.path for disk in machine.data_disks])
    hypervisor.remove_machine(machine.id)
