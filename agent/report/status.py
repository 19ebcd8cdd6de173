"""How a site is beside its release."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agent.history import Receipt, Undertaking
from agent.labels import Owner
from agent.machines.actions import DraftMachine
from agent.planning.view import is_well
from agent.report.swarm import NodeStatus, ServiceStatus, node_statuses, service_statuses, swarm_json
from agent.state import ContainerState, DiskUse, SiteState
from agent.steps import Draft, Plan
from agent.swarm.actions import DraftService

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

    @property
    def fine(self) -> bool:
        """Whether it is as it shall be: a container that is well, a task that has come to its good end."""
        return self.condition in ("well", "ended")


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
    """A site beside its release; `drift` is what an apply of this release would mend, None if that cannot be told.

    `untold` is why it cannot, `under_way` what another agent does at this moment, `interrupted` what one was doing when
    it was cut short, `left` what failed and waits for a person, who asked for that.
    """

    product: str
    site: str
    version: str
    hosts: tuple[HostStatus, ...]
    containers: tuple[ContainerStatus, ...]
    machines: tuple[MachineStatus, ...] = ()
    unmanaged: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    drift: tuple[str, ...] | None = None
    untold: str = ""
    interrupted: str = ""
    under_way: str = ""
    left: str = ""
    services: tuple[ServiceStatus, ...] = ()
    nodes: tuple[NodeStatus, ...] = ()

    @property
    def as_it_shall_be(self) -> bool:
        """Whether all hosts and nodes answer, no change is open, and nothing is to be mended."""
        reachable = all(host.reachable for host in self.hosts) and all(machine.running for machine in self.machines)
        fine = all(container.fine for container in self.containers)
        served = all(one.condition == "well" for one in self.services) and all(node.ready for node in self.nodes)
        return reachable and fine and served and not (self.under_way or self.interrupted or self.left or self.drift)


def status_of(
    receipt: Receipt,
    state: SiteState,
    plan: Plan | None,
    disks: Mapping[str, DiskUse],
    *,
    untold: str = "",
    interrupted: str = "",
    under_way: str = "",
    left: str = "",
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
        untold=untold,
        interrupted=interrupted,
        under_way=under_way,
        left=left,
        services=tuple(service_statuses(undertaking, state)),
        nodes=tuple(node_statuses(undertaking, state)),
    )


def status_json(status: Status) -> dict[str, Any]:
    """The status for a script."""
    return {
        "product": status.product,
        "site": status.site,
        "version": status.version,
        "as_it_shall_be": status.as_it_shall_be,
        "interrupted": status.interrupted,
        "under_way": status.under_way,
        "left": status.left,
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
        "untold": status.untold,
    }


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
