"""Backups of volumes before what cannot be undone otherwise, and their way back."""

from collections.abc import Iterator, Mapping

from agent.planning.order import Entry
from agent.planning.view import View, as_standing
from agent.steps import BackUp, Restore, RunTask, Start

BACKUP_SECONDS = 10


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


def _backup(view: View, host: str, volume: str, why: str) -> tuple[str, Entry]:
    users = tuple(as_standing(found) for found in view.users(host, volume))
    action = BackUp(host=host, volume=volume, users=users)
    downtime = BACKUP_SECONDS if users else 0
    return f"backup/{host}/{volume}", Entry(action, (why,), seconds=BACKUP_SECONDS, downtime=downtime)
