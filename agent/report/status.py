"""How a site is, as values for scripts, text for people, and lines for Prometheus."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from agent.history import Receipt, Undertaking
from agent.labels import Owner
from agent.machines.actions import DraftMachine
from agent.planning.view import is_well
from agent.report.swarm import (
    NodeStatus,
    ServiceStatus,
    node_row,
    node_statuses,
    service_row,
    service_statuses,
    swarm_json,
)
from agent.state import ContainerState, DiskUse, SiteState
from agent.steps import Draft, Plan
from agent.swarm.actions import DraftService
from bundle_format.shown.sizes import size_text
from bundle_format.shown.table import table

Condition = Literal["well", "starting", "unwell", "stopped", "missing", "ended", "unknown"]


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    """A container or task of the release; `since` is Unix time, 0 for never."""

    name: str
    host: str
    condition: Condition
    told: str
    restarts: int = 0
    since: int = 0


@dataclass(frozen=True, slots=True)
class HostStatus:
    """A host; `told` says which engine runs there, or what is wrong. Sizes are bytes, None if they are not known."""

    name: str
    reachable: bool
    told: str
    free: int | None = None
    total: int | None = None
    disk: DiskUse | None = None


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """The machine of a host; `told` is its power or what is wrong. `disks` are sizes in bytes of data disks by path."""

    host: str
    hypervisor: str
    told: str
    running: bool = False
    tools: bool = False
    address: str | None = None
    disks: Mapping[str, int] = field(default_factory=dict)
    snapshots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """A site beside its release; `drift` is what an apply of this release would mend, None if that cannot be told."""

    product: str
    site: str
    version: str
    hosts: tuple[HostStatus, ...]
    containers: tuple[ContainerStatus, ...]
    machines: tuple[MachineStatus, ...] = ()
    unmanaged: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    drift: tuple[str, ...] | None = None
    interrupted: str = ""
    services: tuple[ServiceStatus, ...] = ()
    nodes: tuple[NodeStatus, ...] = ()

    @property
    def as_it_shall_be(self) -> bool:
        """Whether all hosts and nodes answer, nothing was interrupted, and nothing is to be mended."""
        reachable = all(host.reachable for host in self.hosts) and all(machine.running for machine in self.machines)
        fine = all(container.condition in ("well", "ended") for container in self.containers)
        served = all(one.condition == "well" for one in self.services) and all(node.ready for node in self.nodes)
        return reachable and fine and served and not self.interrupted and not self.drift


def status_of(
    receipt: Receipt, state: SiteState, plan: Plan | None, disks: Mapping[str, DiskUse], interrupted: str
) -> Status:
    """The status of the site on which the release of `receipt` runs; `plan` is what it would take to mend it."""
    undertaking = receipt.undertaking
    source = undertaking.source
    placed = [*undertaking.containers.items(), *undertaking.tasks.items()]
    return Status(
        product=source.product,
        site=source.site,
        version=source.version,
        hosts=tuple(_host(name, state, disks) for name in undertaking.hosts),
        containers=tuple(_container(name, one.host, name in undertaking.tasks, state) for name, one in placed),
        machines=tuple(_machine(name, on, state) for name, on in _on_hypervisors(undertaking).items()),
        unmanaged=_unmanaged(state, Owner(source.product, source.site)),
        drift=None if plan is None else tuple(_drift(plan)),
        interrupted=interrupted,
        services=tuple(service_statuses(undertaking, state)),
        nodes=tuple(node_statuses(undertaking, state)),
    )


def status_lines(status: Status, now: int) -> Iterator[str]:
    """The status for a person."""
    yield f"{status.product} {status.version} on site {status.site}"
    if status.interrupted:
        yield f"interrupted: {status.interrupted}; end it with: floto-agent resume"
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
    if status.drift is None:
        yield "drift: cannot be told, for the release or its secrets cannot be read here"
    else:
        yield from table("drift", [(line,) for line in status.drift])


def status_json(status: Status) -> dict[str, Any]:
    """The status for a script."""
    return {
        "product": status.product,
        "site": status.site,
        "version": status.version,
        "as_it_shall_be": status.as_it_shall_be,
        "interrupted": status.interrupted,
        "hosts": [
            {
                "name": host.name,
                "reachable": host.reachable,
                "told": host.told,
                "free": host.free,
                "total": host.total,
                "volumes": dict(host.disk.volumes) if host.disk else None,
            }
            for host in status.hosts
        ],
        "containers": [
            {
                "name": one.name,
                "host": one.host,
                "condition": one.condition,
                "told": one.told,
                "restarts": one.restarts,
                "since": one.since,
            }
            for one in status.containers
        ],
        **swarm_json(status.services, status.nodes),
        "machines": [
            {
                "host": one.host,
                "hypervisor": one.hypervisor,
                "told": one.told,
                "running": one.running,
                "tools": one.tools,
                "address": one.address,
                "disks": dict(one.disks),
                "snapshots": list(one.snapshots),
            }
            for one in status.machines
        ],
        "unmanaged": {host: list(names) for host, names in status.unmanaged.items()},
        "drift": None if status.drift is None else list(status.drift),
    }


def prometheus_lines(status: Status) -> Iterator[str]:
    """The status in the text format that node-exporter collects (prometheus.io, exposition formats)."""
    site = {"product": status.product, "site": status.site}
    yield from _metric("floto_release_info", [({**site, "version": status.version}, 1)])
    yield from _metric("floto_as_it_shall_be", [(site, int(status.as_it_shall_be))])
    yield from _metric("floto_drift", [(site, len(status.drift or ()))])
    yield from _metric("floto_host_up", [({**site, "host": host.name}, int(host.reachable)) for host in status.hosts])
    free = [({**site, "host": host.name}, host.free) for host in status.hosts if host.free is not None]
    yield from _metric("floto_engine_root_free_bytes", free)
    named = [({**site, "host": one.host, "container": one.name}, one) for one in status.containers]
    yield from _metric("floto_container_well", [(labels, int(one.condition == "well")) for labels, one in named])
    yield from _metric("floto_container_restarts", [(labels, one.restarts) for labels, one in named])
    served = [({**site, "host": one.host, "service": one.name}, one) for one in status.services]
    yield from _metric("floto_service_running", [(labels, one.running) for labels, one in served])
    yield from _metric("floto_service_wanted", [(labels, one.wanted) for labels, one in served])
    nodes = [({**site, "host": node.host, "node": node.name}, int(node.ready)) for node in status.nodes]
    yield from _metric("floto_node_ready", nodes)
    volumes = [
        ({**site, "host": host.name, "volume": name}, size)
        for host in status.hosts
        for name, size in (host.disk.volumes.items() if host.disk else ())
        if size is not None
    ]
    yield from _metric("floto_volume_bytes", volumes)


def _host(name: str, state: SiteState, disks: Mapping[str, DiskUse]) -> HostStatus:
    if name not in state.engines:
        return HostStatus(name, reachable=False, told=state.unreachable.get(name, "was not asked"))
    engine = state.engines[name]
    told = f"docker {engine.facts.version}, {engine.facts.store} store"
    disk = disks.get(name)
    space = engine.space or (disk.space if disk else None)
    return HostStatus(name, True, told, space.free if space else None, space.total if space else None, disk)


def _on_hypervisors(undertaking: Undertaking) -> dict[str, str]:
    """The hypervisors of hosts that are machines of the agent's."""
    return {
        name: host.machine.hypervisor
        for name, host in undertaking.hosts.items()
        if host.machine and host.machine.hypervisor in undertaking.hypervisors
    }


def _machine(host: str, hypervisor: str, state: SiteState) -> MachineStatus:
    seen = state.hypervisors.get(hypervisor)
    if seen is None:
        return MachineStatus(host, hypervisor, state.silent_hypervisors.get(hypervisor, "was not asked"))
    found = seen.machine(seen.machine_name(host))
    if found is None:
        return MachineStatus(host, hypervisor, "is missing")
    return MachineStatus(
        host=host,
        hypervisor=hypervisor,
        told=found.power,
        running=found.running,
        tools=found.tools,
        address=found.address,
        disks={disk.path: disk.size for disk in found.data_disks},
        snapshots=found.snapshots,
    )


def _container(name: str, host: str, is_task: bool, state: SiteState) -> ContainerStatus:
    if host not in state.engines:
        return ContainerStatus(name, host, "unknown", "its host does not answer")
    found = state.engines[host].container(name)
    if found is None:
        return ContainerStatus(name, host, "ended" if is_task else "missing", "ran" if is_task else "missing")
    told = found.status if found.health == "none" else f"{found.status}, {found.health}"
    if found.status == "exited":
        told = f"exited with code {found.exit_code}"
    condition = _task_condition(found) if is_task else _condition(found)
    return ContainerStatus(name, host, condition, told, found.restarts, found.started)


def _condition(found: ContainerState) -> Condition:
    if not found.running:
        return "stopped"
    if found.health == "starting":
        return "starting"
    return "well" if is_well(found) else "unwell"


def _task_condition(found: ContainerState) -> Condition:
    if found.running:
        return "starting"
    return "ended" if found.exit_code == 0 else "unwell"


def _unmanaged(state: SiteState, owner: Owner) -> dict[str, tuple[str, ...]]:
    foreign = {
        host: tuple(
            sorted(
                one.name
                for one in engine.containers
                if not one.service and (one.labels is None or one.labels.owner != owner)
            )
        )
        for host, engine in state.engines.items()
    }
    return {host: names for host, names in foreign.items() if names}


_SUBJECTS = ("container", "task", "service", "volume", "network", "disk", "machine", "step")


def _drift(plan: Plan) -> Iterator[str]:
    for step in plan.steps:
        if not isinstance(step.action, Draft | DraftMachine | DraftService):
            fields = step.action.model_dump()
            about = next((fields[key] for key in _SUBJECTS if key in fields), "images")
            yield f"{step.action.host}: {about}: {'; '.join(step.why)}"
    yield from (obstacle.message for obstacle in plan.obstacles)


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
    age = f"for {age_text(now - one.since)}" if one.since and one.condition in ("well", "starting", "unwell") else ""
    restarts = f"{one.restarts} restarts" if one.restarts else ""
    return one.name, one.host, one.condition, one.told, age, restarts


def age_text(seconds: int) -> str:
    """A length of time in its largest unit."""
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{max(seconds, 0)} s"


def _metric(name: str, samples: Iterable[tuple[Mapping[str, str], int | None]]) -> Iterator[str]:
    lines = [f"{name}{{{_labels(labels)}}} {value}" for labels, value in samples if value is not None]
    if lines:
        yield f"# TYPE {name} gauge"
        yield from lines


def _labels(labels: Mapping[str, str]) -> str:
    escaped = {key: text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for key, text in labels.items()}
    return ",".join(f'{key}="{text}"' for key, text in escaped.items())
