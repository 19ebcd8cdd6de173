"""Machines during an apply: drafted beside what runs, put in its place, awaited, and taken back."""

from typing import assert_never

from agent.applying.means import Means
from agent.applying.waking import POLL_SECONDS, await_engine
from agent.labels import labels_from
from agent.machines.actions import (
    GRACE,
    ChangeMachine,
    CreateMachine,
    DiscardMachine,
    DraftMachine,
    Figures,
    MakeDisk,
    Placing,
    ReplaceMachine,
    StandingMachine,
    TakeSnapshot,
)
from agent.machines.spec import blueprint_of, machine_labels
from agent.machines.state import DiskState, KnownDisk, MachineState
from agent.steps import aside_name, draft_name
from agent.targets.hypervisor import Hardware, HeldError, Hypervisor
from bundle_format.errors import TargetError
from bundle_format.release.deployment import Deployment

HELD_SECONDS = 360
"""For how long an upload that was cut short may hold its machine: an ESX waits 5 minutes for a sign of life."""

MachineReadying = MakeDisk | DraftMachine | DiscardMachine | TakeSnapshot


def make_machine_ready(action: MachineReadying, means: Means, deployment: Deployment) -> None:
    """Do one action before the switch; done twice it does nothing more."""
    hypervisor = means.hypervisor(action.hypervisor)
    match action:
        case MakeDisk(disk=name, size=size):
            _remember(means, hypervisor, name, hypervisor.ensure_disk(name, size))
        case DraftMachine(host=host, machine=name):
            materials = means.materials(deployment.hosts[host])
            blueprint = blueprint_of(deployment, host, materials, means.transaction)
            labels = machine_labels(deployment, host, means.transaction)
            hypervisor.create_machine(blueprint, draft_name(name), labels, means.store, means.progress)
        case DiscardMachine(machine=name):
            discard(hypervisor, name, means)
        case TakeSnapshot(machine=name):
            hypervisor.take_snapshot(name, _snapshot(means))
        case _:
            assert_never(action)


def place_machine(action: Placing, means: Means) -> None:
    """Put a machine in its place and wait until its engine answers; looks first, so that it may be done again."""
    hypervisor = means.hypervisor(action.hypervisor)
    match action:
        case CreateMachine():
            _put_in_place(action, hypervisor, means)
        case ReplaceMachine(standing=standing):
            _set_aside(action, standing, hypervisor, means)
            _put_in_place(action, hypervisor, means)
        case ChangeMachine(standing=standing, after=after):
            found = _there(hypervisor, standing.id)
            if not _is_as(found, after) or _disks_differ(action, hypervisor, found):
                means.forget_engine(action.host)
                hypervisor.stop(found.id, GRACE, hard=action.hard)
                _figure(hypervisor, found.id, after)
                _equip(action, hypervisor, means, found.id)
            hypervisor.start(found.id)
        case _:
            assert_never(action)
    engine = await_engine(action.host, hypervisor, action.machine, means)
    if isinstance(action, ReplaceMachine) and action.held and not engine.observe().held.issuperset(action.held):
        raise TargetError(
            f"{action.host}: the new machine's engine is not the one that was there: it does not keep its root on the "
            "data disk",
            "Nothing of the old one is lost. Look at where the data disk is mounted in the new machine.",
        )


def withdraw_machine(action: Placing | DraftMachine, means: Means) -> bool:
    """Take one machine back, so that what stood before stands and answers again.

    Returns whether the steps on its engine are to be taken back, too; else that engine is no more.

    Data disks are only ever moved, and a new one is left: it may hold something by now.
    """
    hypervisor = means.hypervisor(action.hypervisor)
    match action:
        case DraftMachine(machine=name):
            _remove_new(hypervisor, draft_name(name), means)
            return True
        case CreateMachine(machine=name):
            _remove_new(hypervisor, name, means)
            return False
        case ReplaceMachine(machine=name, standing=standing):
            means.forget_engine(action.host)
            _remove_new(hypervisor, name, means)
            hypervisor.rename(standing.id, standing.name)
            _stand_again(action, standing, hypervisor, means)
            return not action.fresh
        case ChangeMachine(standing=standing, before=before):
            found = _there(hypervisor, standing.id)
            if not _is_as(found, before):
                means.forget_engine(action.host)
                hypervisor.stop(found.id, GRACE, hard=action.hard)
                _figure(hypervisor, found.id, before)
            _stand_again(action, standing, hypervisor, means)
        case _:
            assert_never(action)
    return True


def set_machine_back(action: TakeSnapshot, means: Means) -> None:
    """Make a machine what it was before the update, but for its data disks, and wait until its engine answers.

    What was written to its own disk since then is lost: only a person decides that.
    """
    hypervisor = means.hypervisor(action.hypervisor)
    means.forget_engine(action.host)
    hypervisor.stop(action.machine, GRACE, hard=action.hard)
    hypervisor.revert(action.machine, _snapshot(means))
    hypervisor.start(action.machine)
    await_engine(action.host, hypervisor, action.machine, means)


def drop_snapshot(action: TakeSnapshot, means: Means) -> None:
    """Forget what an update kept of a machine; the machine stays as it is."""
    hypervisor = means.hypervisor(action.hypervisor)
    if hypervisor.inspect(action.machine):
        hypervisor.drop_snapshot(action.machine, _snapshot(means))


def discard(hypervisor: Hypervisor, name: str, means: Means) -> None:
    """Remove a machine under a passing name, its data disks taken off before; done if it is gone."""
    found = hypervisor.inspect(name)
    if found is None:
        return
    hypervisor.stop(found.id, 0, hard=True)
    if found.data_disks:
        hypervisor.detach(found.id, [disk.path for disk in found.data_disks])
    try:
        hypervisor.remove_machine(found.id)
    except HeldError:
        means.progress.note(f"{found.name} is held by an upload that was cut short, which ends within some minutes")
        _remove_once_free(hypervisor, found.id, means)


def _remove_once_free(hypervisor: Hypervisor, machine: str, means: Means) -> None:
    until = means.clock.time() + HELD_SECONDS
    while True:
        means.pause(POLL_SECONDS)
        try:
            return hypervisor.remove_machine(machine)
        except HeldError:
            if means.clock.time() > until:
                raise


def _set_aside(action: ReplaceMachine, standing: StandingMachine, hypervisor: Hypervisor, means: Means) -> None:
    found = _there(hypervisor, standing.id)
    if found.name == aside_name(standing.name) and not found.running and not found.data_disks:
        return
    means.forget_engine(action.host)
    hypervisor.stop(found.id, GRACE, hard=action.hard)
    hypervisor.detach(found.id, [disk.path for disk in found.data_disks])
    hypervisor.rename(found.id, aside_name(standing.name))


def _put_in_place(action: CreateMachine | ReplaceMachine, hypervisor: Hypervisor, means: Means) -> None:
    if hypervisor.inspect(action.machine) is None:
        hypervisor.rename(draft_name(action.machine), action.machine)
    found = _there(hypervisor, action.machine)
    if not found.running:
        _equip(action, hypervisor, means, found.id)
        hypervisor.start(found.id)


def _equip(action: Placing, hypervisor: Hypervisor, means: Means, machine: str) -> None:
    """Give a machine without power its data disks, each as large as it shall be."""
    disks = hypervisor.observe().disks
    missing = [name for name in action.disks if name not in disks]
    if missing:
        raise TargetError(
            f"{action.host}: data disk {', '.join(missing)} is not there; nothing was put in its place",
            "Find out who moved it.",
        )
    hypervisor.attach(machine, [disks[name].path for name in action.disks])
    for name, size in zip(action.disks, action.sizes, strict=True):
        hypervisor.grow_disk(machine, disks[name].path, size)
    there = {disk.path: disk for disk in _there(hypervisor, machine).disks}
    for name in action.disks:
        held = there[disks[name].path]
        _remember(means, hypervisor, name, DiskState(held.path, held.size, disks[name].uuid))


def _stand_again(action: Placing, standing: StandingMachine, hypervisor: Hypervisor, means: Means) -> None:
    found = _there(hypervisor, standing.id)
    if not found.running:
        hypervisor.attach(standing.id, standing.disks)
    if standing.running:
        hypervisor.start(standing.id)
        await_engine(action.host, hypervisor, standing.id, means)


def _remove_new(hypervisor: Hypervisor, name: str, means: Means) -> None:
    for called in dict.fromkeys((name, draft_name(name.removesuffix(draft_name(""))))):
        found = hypervisor.inspect(called)
        if found and found.labels and found.labels.transaction == means.transaction:
            discard(hypervisor, found.id, means)


def _figure(hypervisor: Hypervisor, machine: str, figures: Figures) -> None:
    labels = labels_from(figures.labels)
    assert labels is not None
    hypervisor.change(machine, Hardware(figures.cpus, figures.memory, figures.autostart), labels)


def _is_as(found: MachineState, figures: Figures) -> bool:
    has = (found.cpus, found.memory, found.autostart, found.labels)
    return has == (figures.cpus, figures.memory, figures.autostart, labels_from(figures.labels))


def _disks_differ(action: Placing, hypervisor: Hypervisor, found: MachineState) -> bool:
    disks = hypervisor.observe().disks
    sizes = {disk.path: disk.size for disk in found.data_disks}
    wanted = zip(action.disks, action.sizes, strict=True)
    return any(name not in disks or sizes.get(disks[name].path, 0) < size for name, size in wanted)


def _snapshot(means: Means) -> str:
    return f"floto-{means.transaction}"


def _there(hypervisor: Hypervisor, machine: str) -> MachineState:
    found = hypervisor.inspect(machine)
    if found is None:
        raise TargetError(f"hypervisor {hypervisor.name}: machine {machine} is gone", "Somebody removed it meanwhile.")
    return found


def _remember(means: Means, hypervisor: Hypervisor, name: str, disk: DiskState) -> None:
    means.remember_disk(
        KnownDisk(name=name, hypervisor=hypervisor.name, path=disk.path, uuid=disk.uuid, size=disk.size)
    )
