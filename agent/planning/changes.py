"""What must be done to single containers and tasks so that they become what a deployment says, and why."""

import json
from collections.abc import Iterator

from agent.labels import labels_of
from agent.planning.order import Entry
from agent.planning.reasons import (
    can_be_updated,
    changed_lines,
    changes,
    drift,
    lasting,
    limit_changes,
    limits_of,
)
from agent.planning.view import View, as_standing, is_well, spec_in
from agent.state import ContainerState
from agent.steps import Create, Draft, Replace, Restart, RunTask, Start, Update
from bundle_format.release.deployment import Container, OneOff

DRAFT_SECONDS = 1
SWITCH_SECONDS = 2
"""To stop what ends at once and to start its successor, until it is healthy not counted."""
TASK_SECONDS = 10

Change = Create | Replace | Start | Restart


def container_entries(view: View, host: str) -> Iterator[tuple[str, Entry]]:
    """The steps for the containers of a host, without what they need."""
    for container in view.containers(host):
        if view.taken(container):
            continue
        found = view.found(container)
        change, why = _change(view, container, found)
        if found and not isinstance(change, Replace) and (limits := tuple(_limits(view, container, found))):
            before, after = limits_of(found.settings), limits_of(container)
            update = Update(host=host, container=container.name, before=before, after=after)
            yield f"update/{container.name}", Entry(update, limits, seconds=1)
        if change is None:
            continue
        seconds = SWITCH_SECONDS + (container.healthcheck.interval if container.healthcheck else 0)
        downtime = 0 if isinstance(change, Create) else seconds
        yield f"switch/{container.name}", Entry(change, why, seconds=seconds, downtime=downtime)
        if isinstance(change, Create | Replace):
            yield f"draft/{container.name}", _draft(container)


def task_entries(view: View, host: str) -> Iterator[tuple[str, Entry]]:
    """The steps for the tasks of a host that have not run for this version yet."""
    for name, task in view.tasks(host):
        container = task.container
        if view.taken(container) or _has_run(view, name, task):
            continue
        found = view.found(container)
        run = RunTask(
            host=host,
            task=name,
            standing=as_standing(found) if found else None,
            grace=container.stop_grace,
            deadline=task.deadline,
        )
        doubt = ("as far as is known, for a receipt is damaged",) if view.history.damaged else ()
        why = (f"not run for {view.deployment.version} yet", *doubt)
        yield f"switch/{name}", Entry(run, why, seconds=TASK_SECONDS)
        yield f"draft/{name}", _draft(container)


def _draft(container: Container) -> Entry:
    return Entry(Draft(host=container.host, container=container.name), ("made ready beside",), seconds=DRAFT_SECONDS)


def _change(view: View, container: Container, found: ContainerState | None) -> tuple[Change | None, tuple[str, ...]]:
    host, name = container.host, container.name
    grace, deadline = container.stop_grace, container.health_deadline
    if found is None:
        return Create(host=host, container=name, grace=grace, deadline=deadline), ("missing",)
    why = tuple(_differences(view, container, found))
    if why:
        standing = as_standing(found)
        return Replace(host=host, container=name, standing=standing, grace=grace, deadline=deadline), why
    if found.status in ("created", "exited", "dead"):
        return Start(host=host, container=name, grace=grace, deadline=deadline), (_why_stopped(found),)
    if not is_well(found):
        return Restart(host=host, container=name, grace=grace, deadline=deadline), (_why_unwell(found),)
    return None, ()


def _differences(view: View, container: Container, found: ContainerState) -> Iterator[str]:
    if found.labels is None:
        yield f"adopted, as you asked: {found.id[:12]} gives way"
        return
    if container.name in view.wishes.anew or container.host in view.wishes.anew:
        yield "asked for"
    wanted = labels_of(view.deployment, container, container.host)
    if found.labels.host != container.host:
        yield f"moves here from host {found.labels.host}"
    old, new = spec_in(found), json.loads(wanted.spec)
    alike = lasting(old) == lasting(new)
    if not alike or not can_be_updated(limits_of(found.settings), limits_of(container)):
        yield from _limits(view, container, found)
    if alike:
        yield from drift(
            container, view.engine(container.host).image_id(view.deployment.images[container.image]), found
        )
        return
    lines = {
        file.path: changed_lines(view.state.texts[found.id, file.path], file.content)
        for file in container.files
        if (found.id, file.path) in view.state.texts
    }
    # A label that cannot be read, or that an older agent wrote otherwise, differs in a way that nobody can name.
    yield from list(changes(old, new, lines)) or ["made by another agent"]


def _limits(view: View, container: Container, found: ContainerState) -> Iterator[str]:
    """How the limits differ; by hand where the release that runs wanted just what this one wants."""
    assert found.labels is not None
    wanted = labels_of(view.deployment, container, container.host)
    current = view.history.current
    placed = current.undertaking.containers.get(container.name) if current else None
    by_hand = wanted.digest == (placed.spec if placed else found.labels.digest)
    yield from limit_changes(limits_of(found.settings), limits_of(container), by_hand=by_hand)


def _why_stopped(found: ContainerState) -> str:
    if found.status == "created":
        return "never started"
    return f"stopped, exit code {found.exit_code}" + (f": {found.reason}" if found.reason else "")


def _why_unwell(found: ContainerState) -> str:
    if found.health == "unhealthy":
        return "unhealthy"
    return f"restarting again and again ({found.restarts} times)" if found.status == "restarting" else found.status


def _has_run(view: View, name: str, task: OneOff) -> bool:
    wanted = labels_of(view.deployment, task.container, task.container.host)
    if view.history.receipts:
        restored = bool(view.wishes.restore)
        return (name, wanted.digest) in view.history.tasks_done(view.deployment.version, restored=restored)
    # The site's memory was lost; the container of the last run is kept, and tells.
    found = view.found(task.container)
    return (
        found is not None
        and found.labels is not None
        and (found.labels.digest, found.labels.release) == (wanted.digest, wanted.release)
        and (found.status, found.exit_code) == ("exited", 0)
    )
