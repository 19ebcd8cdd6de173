"""How services and the nodes of their swarms are, as values for scripts and rows for people."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agent.history import Undertaking
from agent.state import SiteState
from agent.swarm.state import Node, ServiceState

MOST_COMPLAINTS = 3


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """A service of the release; `nodes` are those on which its containers run."""

    name: str
    host: str
    condition: Literal["well", "updating", "unwell", "missing", "unknown"]
    told: str
    running: int = 0
    wanted: int = 0
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node of the swarm that a host manages."""

    name: str
    host: str
    ready: bool
    told: str


def service_statuses(undertaking: Undertaking, state: SiteState) -> Iterator[ServiceStatus]:
    """The services of a release as they are."""
    for name, placed in undertaking.services.items():
        if placed.host not in state.engines:
            yield ServiceStatus(name, placed.host, "unknown", "its host does not answer")
        elif state.engines[placed.host].swarm.fault:
            yield ServiceStatus(name, placed.host, "unknown", state.engines[placed.host].swarm.fault)
        else:
            yield _service(name, placed.host, state.engines[placed.host].swarm.service(name))


def node_statuses(undertaking: Undertaking, state: SiteState) -> Iterator[NodeStatus]:
    """The nodes of all swarms that the release has services in, each once."""
    seen = set[str]()
    for host in dict.fromkeys(placed.host for placed in undertaking.services.values()):
        for node in state.engines[host].swarm.nodes if host in state.engines else ():
            if node.id not in seen:
                seen.add(node.id)
                yield NodeStatus(node.name, host, node.ready, _told(node))


def service_row(one: ServiceStatus) -> Sequence[str]:
    """A service as a row for a person."""
    count = f"{one.running} of {one.wanted} run" if one.condition not in ("unknown", "missing") else ""
    return one.name, one.host, one.condition, count, ", ".join(one.nodes), one.told


def node_row(node: NodeStatus) -> Sequence[str]:
    """A node as a row for a person."""
    return node.name, "up" if node.ready else "DOWN", node.told


def swarm_json(services: Sequence[ServiceStatus], nodes: Sequence[NodeStatus]) -> Mapping[str, Any]:
    """Both for a script."""
    return {
        "services": [
            {
                "name": one.name,
                "host": one.host,
                "condition": one.condition,
                "told": one.told,
                "running": one.running,
                "wanted": one.wanted,
                "nodes": list(one.nodes),
            }
            for one in services
        ],
        "nodes": [{"name": node.name, "host": node.host, "ready": node.ready, "told": node.told} for node in nodes],
    }


def _service(name: str, host: str, found: ServiceState | None) -> ServiceStatus:
    if found is None:
        return ServiceStatus(name, host, "missing", "missing")
    nodes = tuple(sorted({task.node for task in found.tasks if task.runs}))
    told = "" if found.well else "; ".join(found.complaints[:MOST_COMPLAINTS]) or found.message
    under_way = found.update in ("updating", "rollback_started")
    condition: Literal["well", "updating", "unwell"] = "well" if found.well else "updating" if under_way else "unwell"
    return ServiceStatus(name, host, condition, told, found.running, found.wanted, nodes)


def _told(node: Node) -> str:
    return ("manager" if node.manager else "worker") + ("" if node.active else ", gets nothing to run")
