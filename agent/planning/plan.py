"""(Deployment, state) -> Plan: pure, no clock; every step says why."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from graphlib import CycleError

from agent.history import History
from agent.planning.adoption import adopting, with_adopted
from agent.planning.changes import container_entries, task_entries
from agent.planning.grounds import host_step_entries, image_entries, network_entries, volume_entries
from agent.planning.machine_obstacles import machine_obstacles
from agent.planning.machines import after_machines, machine_entries, managed, waking_entries, with_machines
from agent.planning.obstacles import obstacles
from agent.planning.order import Entry, circle, ordered
from agent.planning.removals import leftover_entries, removal_entries
from agent.planning.safety import backup_entries, restore_entries, with_snapshots
from agent.planning.swarm.services import push_entries, service_entries, service_removals
from agent.planning.ties import tied
from agent.planning.view import View, Wishes
from agent.state import SiteState
from agent.steps import Plan
from bundle_format.digest import Digest
from bundle_format.release.deployment import Deployment


def make_plan(
    deployment: Deployment,
    state: SiteState,
    history: History | None = None,
    wishes: Wishes | None = None,
    sizes: Mapping[Digest, int] | None = None,
) -> Plan:
    """What must be done so that the site becomes what the deployment says; no steps where it is.

    `history` tells which tasks have run and what protects a container that the release no longer has; `sizes` of blobs
    make the estimates better. What stands in the way is told as obstacles, all of them.
    """
    before = with_adopted(View(deployment, state, history or History(), wishes or Wishes(), sizes or {}))
    machines = dict(machine_entries(before))
    view = replace(before, state=with_machines(state, machines))
    entries = with_snapshots(view, after_machines(_entries(view, machines)))
    hindered = (*machine_obstacles(before, entries), *obstacles(view, entries))
    try:
        return Plan(steps=ordered(entries), notices=tuple(_notices(view)), obstacles=hindered)
    except CycleError as error:
        return Plan(notices=tuple(_notices(view)), obstacles=(*hindered, circle(error)))


def _entries(view: View, machines: Mapping[str, Entry]) -> dict[str, Entry]:
    entries = dict(machines)
    for host in view.hosts:
        for make in (
            leftover_entries,
            host_step_entries,
            network_entries,
            volume_entries,
            container_entries,
            task_entries,
            removal_entries,
            service_entries,
            service_removals,
        ):
            for key, entry in make(view, host):
                entries.setdefault(key, entry)
    entries |= dict(waking_entries(view, entries))
    entries |= dict(image_entries(view, entries))
    entries |= dict(push_entries(view, entries))
    entries |= dict(backup_entries(view, entries))
    entries |= dict(restore_entries(view, entries))
    return tied(view, entries)


def _notices(view: View) -> Iterator[str]:
    """What is seen beside the plan and left alone."""
    for container in view.deployment.containers.values():
        if container.external and container.host in view.hosts:
            found = view.engine(container.host).container(container.name)
            yield f"{container.host}: {container.name} is external: {found.status if found else 'not there'}"
    for name, machine, hypervisor in managed(view.deployment, view.state):
        if machine.autostart is not None and hypervisor.no_autostart and view.chosen_host(name):
            yield f"{name}: its machine gets no autostart: {hypervisor.no_autostart}"
    for host in view.hosts:
        foreign = [
            found.name
            for found in view.engine(host).containers
            if not found.service and not view.is_ours(host, "container", found.id, found.labels)
        ]
        foreign += [
            f"service {found.name}"
            for found in view.swarm(host).services
            if found.labels is None or found.labels.owner != view.owner
        ]
        if foreign:
            yield f"{host}: not ours, left alone: {', '.join(sorted(foreign))}"
    for one in sorted(adopting(view), key=lambda one: (one.host, one.kind, one.key)):
        if one.kind != "container":
            yield f"{one.host}: {one.kind} {one.key[:12]} is adopted: used as it is, never removed"
