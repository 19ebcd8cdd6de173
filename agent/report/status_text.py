"""The status of a site as text for people."""

from collections.abc import Iterator, Sequence

from agent.report.status import ContainerStatus, HostStatus, MachineStatus, Status
from agent.report.swarm import node_row, service_row
from bundle_format.shown.sizes import size_text
from bundle_format.shown.table import table


def status_lines(status: Status, now: int) -> Iterator[str]:
    """The status for a person; `now` is Unix time."""
    yield f"{status.product} {status.version} on site {status.site}"
    if status.under_way:
        yield f"under way: {status.under_way}"
    if status.interrupted:
        yield f"interrupted: {status.interrupted}; end it with: floto-agent resume"
    if status.left:
        yield f"left for a person: {status.left}; forward: floto-agent resume, back: floto-agent abort"
    yield from table("hosts", [_host_row(host) for host in status.hosts])
    yield from table("machines", [_machine_row(machine) for machine in status.machines])
    yield from table("containers", [_container_row(container, now) for container in status.containers])
    yield from table("services", [service_row(service) for service in status.services])
    yield from table("nodes of the swarm", [node_row(node) for node in status.nodes])
    for host in status.hosts:
        if host.disk:
            rows = [(name, "unknown" if size is None else size_text(size)) for name, size in host.disk.volumes.items()]
            yield from table(f"volumes on {host.name}", rows)
    yield from table("not ours, left alone", [(host, ", ".join(names)) for host, names in status.unmanaged.items()])
    if status.under_way:
        yield "drift: told when what is under way has ended"
    elif status.drift is None:
        yield f"drift: cannot be told: {status.untold}"
    else:
        yield from table("drift", [(line,) for line in status.drift])


def _host_row(host: HostStatus) -> Sequence[str]:
    room = f"{size_text(host.free)} free of {size_text(host.total)}" if host.free is not None and host.total else ""
    return host.name, "up" if host.reachable else "DOWN", host.told, room


def _machine_row(machine: MachineStatus) -> Sequence[str]:
    tools = "tools run" if machine.tools else "no tools"
    disks = ", ".join(f"{path} {size_text(size)}" for path, size in machine.disks.items())
    snapshots = f"snapshots: {', '.join(machine.snapshots)}" if machine.snapshots else ""
    on = f"on {machine.hypervisor}"
    if not machine.running:
        return machine.host, on, machine.told, "", "", disks, snapshots
    return machine.host, on, machine.told, machine.address or "no address", tools, disks, snapshots


def _container_row(one: ContainerStatus, now: int) -> Sequence[str]:
    age = f"for {_age_text(now - one.since)}" if one.since and one.condition in ("well", "starting", "unwell") else ""
    restarts = f"{one.restarts} restarts" if one.restarts else ""
    return one.name, one.host, one.condition, one.told, age, restarts


def _age_text(seconds: int) -> str:
    """A length of time in its largest unit."""
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{max(seconds, 0)} s"
