"""What is kept before something that cannot be undone otherwise: backups of volumes, snapshots of machines."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from agent.machines.actions import Placing, TakeSnapshot
from agent.planning.machines import managed
from agent.planning.order import Entry
from agent.planning.view import View, as_standing
from agent.steps import BackUp, Create, DoHostStep, Phase, Remove, Replace, Restore, RunTask, Start
from agent.swarm.actions import CreateService, RemoveService, UpdateService

BACKUP_SECONDS = 10
_RISKY = (DoHostStep, Create, Replace, Remove, RunTask, Restore, CreateService, UpdateService, RemoveService)


def backup_entries(view: View, entries: Mapping[str, Entry]) -> Iterator[tuple[str, Entry]]:
    """A backup of each volume that an irreversible task changes or that is going to be restored."""
    for entry in entries.values():
        if isinstance(entry.action, RunTask) and not view.deployment.tasks[entry.action.task].reversible:
            for volume in view.deployment.tasks[entry.action.task].backup:
                yield _backup(view, entry.action.host, volume, f"{entry.action.task} cannot be undone")
    for backup in view.wishes.restore:
        if backup.host in view.hosts:
            yield _backup(view, backup.host, backup.volume, "its content is about to be set back")


def restore_entries(view: View, entries: Mapping[str, Entry]) -> Iterator[tuple[str, Entry]]:
    """The restoring that was asked for, and the start of those whom it stops and nothing else starts."""
    for backup in view.wishes.restore:
        if backup.host not in view.hosts:
            continue
        users = tuple(view.users(backup.host, backup.volume))
        action = Restore(
            host=backup.host,
            volume=backup.volume,
            content=backup.content,
            users=tuple(as_standing(found) for found in users),
        )
        why = ("set back to what it was before the release that is left",)
        yield f"restore/{backup.host}/{backup.volume}", Entry(action, why, seconds=BACKUP_SECONDS)
        for found in users:
            container = view.deployment.containers.get(found.name)
            if container and f"switch/{found.name}" not in entries:
                start = Start(
                    host=backup.host,
                    container=found.name,
                    grace=container.stop_grace,
                    deadline=container.health_deadline,
                )
                yield f"switch/{found.name}", Entry(start, (f"stopped to set back volume {backup.volume}",), seconds=2)


def with_snapshots(view: View, entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries, and before all others of a host the snapshot of its machine that its definition asks for.

    A machine that is made anew or changed has none: what was before comes back by itself.
    """
    placed = {entry.action.host for entry in entries.values() if isinstance(entry.action, Placing)}
    risky = {entry.action.host for entry in entries.values() if isinstance(entry.action, _RISKY)}
    taken = {}
    for host, machine, hypervisor in managed(view.deployment, view.state):
        if machine.snapshot and host in risky - placed and view.chosen_host(host):
            action = TakeSnapshot(
                host=host,
                hypervisor=hypervisor.name,
                machine=hypervisor.machine_name(host),
                hard=machine.power_off == "hard",
            )
            why = ("kept until all is well", *(["data disks are left out"] if machine.disks else []))
            taken[host] = Entry(action, why, seconds=2)

    def behind(entry: Entry) -> Entry:
        waits = entry.action.host in taken and entry.phase is Phase.PREPARE
        return replace(entry, needs=entry.needs | {f"snapshot/{entry.action.host}"}) if waits else entry

    later = {key: behind(entry) for key, entry in entries.items()}
    return {**{f"snapshot/{host}": entry for host, entry in taken.items()}, **later}


def _backup(view: View, host: str, volume: str, why: str) -> tuple[str, Entry]:
    users = tuple(as_standing(found) for found in view.users(host, volume))
    action = BackUp(host=host, volume=volume, users=users)
    downtime = BACKUP_SECONDS if users else 0
    return f"backup/{host}/{volume}", Entry(action, (why,), seconds=BACKUP_SECONDS, downtime=downtime)
