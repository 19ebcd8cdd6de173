"""What must be done to machines so that they become what a deployment says, and why; and the engines they will have."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from agent.machines.actions import (
    ChangeMachine,
    CreateMachine,
    DiscardMachine,
    DraftMachine,
    Figures,
    MakeDisk,
    Placing,
    ReplaceMachine,
    StandingMachine,
)
from agent.machines.spec import disks_in, hardware_of, machine_labels
from agent.machines.state import HypervisorState, MachineState
from agent.planning.order import Entry
from agent.planning.view import View
from agent.state import EngineFacts, EngineState, SiteState
from agent.steps import Draft, Phase, Start, aside_name, draft_name, is_of_machine, phase_of
from bundle_format.release.deployment import Deployment
from bundle_format.release.machine import DataDisk, Machine

BOOT_SECONDS = 60
UPLOAD_RATE = 40 << 20
"""Bytes of a disk a second, about: packed, sent and proved."""

IN_PLACE = frozenset({"cpus", "memory", "autostart"})
"""What changes without another machine."""

ENGINE_ROOT = "/var/lib/docker"


def managed(deployment: Deployment, state: SiteState) -> Iterator[tuple[str, Machine, HypervisorState]]:
    """The hosts that are machines of the agent's, on hypervisors that answered."""
    for name, host in deployment.hosts.items():
        if host.machine and host.machine.hypervisor in state.hypervisors:
            yield name, host.machine, state.hypervisors[host.machine.hypervisor]


def machine_entries(view: View) -> Iterator[tuple[str, Entry]]:
    """The steps for machines and data disks; what they need of each other is told."""
    for host, machine, hypervisor in managed(view.deployment, view.state):
        if not view.chosen_host(host) or _name_taken(view, hypervisor, host) or hypervisor.faults:
            continue
        name = hypervisor.machine_name(host)
        yield from _leftovers(view, hypervisor, host)
        for disk in disks_in(view.deployment, host):
            if disk.name not in hypervisor.disks and disk.name not in view.history.disks:
                make = MakeDisk(host=host, hypervisor=hypervisor.name, disk=disk.name, size=disk.size)
                yield f"disk/{disk.name}", Entry(make, ("never there before",), seconds=1)
        placing, why = _placing(view, machine, hypervisor, host)
        if placing is None:
            continue
        image = view.deployment.machine_images[machine.image]
        drafts = not isinstance(placing, ChangeMachine)
        if drafts:
            action = DraftMachine(host=host, hypervisor=hypervisor.name, machine=name)
            seconds = 5 + image.size // UPLOAD_RATE
            needs = frozenset({f"discard/{host}/{passing(name)}" for passing in (draft_name, aside_name)})
            draft = Entry(action, ("made ready beside",), needs, bytes=image.size, seconds=seconds)
            yield f"draft-machine/{host}", draft
        downtime = 0 if isinstance(placing, CreateMachine) else BOOT_SECONDS
        yield machine_key(host), Entry(placing, why, seconds=BOOT_SECONDS, downtime=downtime)


def machine_key(host: str) -> str:
    """The key of the step that brings a host's machine about."""
    return f"machine/{host}"


def with_machines(state: SiteState, entries: Mapping[str, Entry]) -> SiteState:
    """The state once machines are there: the engine of a new one is empty, but where its root is on a data disk."""
    engines, silent = dict(state.engines), dict(state.unreachable)
    for entry in entries.values():
        action = entry.action
        if isinstance(action, CreateMachine) or (isinstance(action, ReplaceMachine) and action.fresh):
            engines[action.host] = empty_engine(action.host)
            silent.pop(action.host, None)
    return replace(state, engines=engines, unreachable=silent)


def after_machines(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries, those of each host behind that of its machine, and late where its engine comes up only then.

    What is late keeps the order that its phases would have given it: load, make ready, draft, switch.
    """
    placings = {entry.action.host: entry.action for entry in entries.values() if isinstance(entry.action, Placing)}
    grounds: dict[str, set[str]] = {}
    drafts: dict[str, set[str]] = {}
    for key, entry in entries.items():
        if not is_of_machine(entry.action) and phase_of(entry.action) is not Phase.SWITCH:
            kept = drafts if isinstance(entry.action, Draft) else grounds
            kept.setdefault(entry.action.host, set()).add(key)

    def behind(entry: Entry) -> Entry:
        host = entry.action.host
        if host not in placings or is_of_machine(entry.action):
            return entry
        needs = entry.needs | {machine_key(host)}
        if isinstance(placings[host], ChangeMachine):
            return replace(entry, needs=needs)
        before = grounds.get(host, set())
        match phase_of(entry.action), entry.action:
            case Phase.SWITCH, _:
                return replace(entry, needs=needs | before | drafts.get(host, set()))
            case _, Draft():
                return replace(entry, needs=needs | before, late=True)
        return replace(entry, needs=needs, late=True)

    return {key: behind(entry) for key, entry in entries.items()}


def waking_entries(view: View, entries: Mapping[str, Entry]) -> Iterator[tuple[str, Entry]]:
    """The wait for containers that come up again with their machine, and that nothing else is done to."""
    for entry in entries.values():
        action = entry.action
        if not isinstance(action, ReplaceMachine | ChangeMachine) or action.host not in view.hosts:
            continue
        for container in view.containers(action.host):
            found = view.found(container)
            if f"switch/{container.name}" not in entries and found and found.running:
                start = Start(
                    host=action.host,
                    container=container.name,
                    grace=container.stop_grace,
                    deadline=container.health_deadline,
                )
                yield f"switch/{container.name}", Entry(start, ("its machine is started anew",), seconds=2)


def root_lasts(deployment: Deployment, host: str) -> bool:
    """Whether the root of a machine's engine lies on a data disk, so that its containers outlive the machine."""
    return any(covers(disk, ENGINE_ROOT) for disk in disks_in(deployment, host))


def covers(disk: DataDisk, path: str) -> bool:
    """Whether a path lies on a data disk."""
    mount = disk.mount.rstrip("/")
    return path == mount or path.startswith(f"{mount}/")


def empty_engine(host: str) -> EngineState:
    """The engine of a machine that is about to be made."""
    return EngineState(host, EngineFacts(f"new-{host}", host, "", (1, 41), "amd64", "classic", "", ENGINE_ROOT, 0))


def _placing(
    view: View, machine: Machine, hypervisor: HypervisorState, host: str
) -> tuple[Placing | None, tuple[str, ...]]:
    found = hypervisor.machine(hypervisor.machine_name(host))
    disks = disks_in(view.deployment, host)
    named: dict[str, Any] = {
        "host": host,
        "hypervisor": hypervisor.name,
        "machine": hypervisor.machine_name(host),
        "disks": tuple(disk.name for disk in disks),
        "sizes": tuple(disk.size for disk in disks),
        "hard": machine.power_off == "hard",
    }
    if found is None:
        return CreateMachine(**named), ("missing",)
    assert found.labels is not None
    standing = StandingMachine(
        id=found.id, name=found.name, running=found.running, disks=tuple(disk.path for disk in found.data_disks)
    )
    if why := tuple(_why_another(view, host, found)):
        fresh = host not in view.state.engines or not root_lasts(view.deployment, host)
        held = () if fresh else tuple(sorted(view.engine(host).held))
        return ReplaceMachine(**named, standing=standing, fresh=fresh, held=held), why
    why = tuple(_why_changed(view, machine, hypervisor, host, found))
    if not why:
        return None, ()
    labels = machine_labels(view.deployment, host, found.labels.transaction)
    after = Figures(cpus=machine.cpus, memory=machine.memory, autostart=machine.autostart, labels=labels.to_mapping())
    before = Figures(cpus=found.cpus, memory=found.memory, autostart=found.autostart, labels=found.labels.to_mapping())
    return ChangeMachine(**named, standing=standing, before=before, after=after), why


def _why_another(view: View, host: str, found: MachineState) -> Iterator[str]:
    """Why a machine has to be made anew."""
    assert found.labels is not None
    if host in view.wishes.anew:
        yield "asked for"
    old, new = _specs(view, host, found)
    if old.get("image") != new["image"]:
        yield "image changed"
    for name in sorted((old.keys() | new.keys()) - IN_PLACE - {"image", "disks"}):
        if old.get(name) != new.get(name):
            yield f"{name} changed"
    before, after = old.get("disks", {}), new["disks"]
    for name in sorted(before.keys() | after.keys()):
        if (name in before) != (name in after):
            yield f"data disk {name} {'added' if name in after else 'taken off'}"
        elif {**before[name], "size": 0} != {**after[name], "size": 0}:
            yield f"data disk {name} changed"


def _why_changed(
    view: View, machine: Machine, hypervisor: HypervisorState, host: str, found: MachineState
) -> Iterator[str]:
    """Why a machine has to be changed in place."""
    old, new = _specs(view, host, found)
    changed = {name for name in IN_PLACE if old.get(name) != new.get(name)}
    for name in sorted(changed):
        yield f"{name} changed"
    hardware = hardware_of(machine)
    for name, wish, fact in (("cpus", hardware.cpus, found.cpus), ("memory", hardware.memory, found.memory)):
        if wish != fact and name not in changed:
            yield f"drift: {name} edited by hand"
    attached = {disk.path: disk for disk in found.data_disks}
    for disk in disks_in(view.deployment, host):
        there = hypervisor.disks.get(disk.name)
        if there is None:
            continue  # an obstacle tells
        if there.path not in attached:
            yield f"drift: data disk {disk.name} is not attached"
        elif attached[there.path].size < disk.size:
            yield f"data disk {disk.name} grows"


def _specs(view: View, host: str, found: MachineState) -> tuple[dict[str, Any], dict[str, Any]]:
    assert found.labels is not None
    new = json.loads(machine_labels(view.deployment, host).spec)
    try:
        old = json.loads(found.labels.spec)
    except ValueError:
        old = {}
    return old if isinstance(old, dict) else {}, new


def _name_taken(view: View, hypervisor: HypervisorState, host: str) -> bool:
    found = hypervisor.machine(hypervisor.machine_name(host))
    return found is not None and (found.labels is None or found.labels.owner != view.owner)


def _leftovers(view: View, hypervisor: HypervisorState, host: str) -> Iterator[tuple[str, Entry]]:
    """Machines of ours under passing names that no running apply needs; the last of its kind stays."""
    name = hypervisor.machine_name(host)
    for passing in (draft_name(name), aside_name(name)):
        found = hypervisor.machine(passing)
        if found is None or found.labels is None or found.labels.owner != view.owner:
            continue
        if passing == aside_name(name) and hypervisor.machine(name) is None:
            continue
        action = DiscardMachine(host=host, hypervisor=hypervisor.name, machine=passing)
        yield f"discard/{host}/{passing}", Entry(action, ("left behind by an earlier apply",), seconds=5)
