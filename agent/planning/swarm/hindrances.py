"""What a person must settle, or should know, before services are touched: the swarm, its nodes, its registry."""

import ipaddress
from collections.abc import Iterator, Mapping

from agent.labels import registry_of
from agent.planning.order import Entry
from agent.planning.swarm.services import is_late
from agent.planning.view import View
from agent.steps import Obstacle
from agent.swarm.state import Node, SwarmState
from bundle_format.release.service import Service


def swarm_obstacles(view: View, entries: Mapping[str, Entry]) -> Iterator[Obstacle]:
    """Swarms that cannot be asked, registries that do not answer, services that no node is there for."""
    for host in view.hosts:
        services = tuple(view.services(host))
        swarm = view.swarm(host)
        if services and swarm.fault:
            yield Obstacle(
                message=f"{host}: the release has services there, but {swarm.fault}",
                hint="Name a manager of the swarm as the host's engine; docker node ls tells which are, and whether "
                "most of them answer.",
            )
        elif services:
            yield from _registry(view, host, entries)
            for service in services:
                yield from _service(view, swarm, service)


def swarm_warnings(view: View, host: str) -> Iterator[str]:
    """Nodes that are lost, and services that suffer from it or otherwise."""
    swarm = view.swarm(host)
    if swarm.fault or not any(True for _ in view.services(host)):
        return
    lost = [node.name for node in swarm.nodes if not node.ready]
    if lost:
        usable = sum(node.usable for node in swarm.nodes)
        yield f"{host}: {usable} of {len(swarm.nodes)} nodes can be used; down: {', '.join(lost)}"
    managers = [node for node in swarm.nodes if node.manager]
    answering = sum(node.ready for node in managers)
    if answering < len(managers) and answering - 1 <= len(managers) // 2:
        yield (
            f"{host}: {answering} of {len(managers)} managers answer; with one less the swarm takes no change any more"
        )
    for found in view.our_services(host):
        if not found.well and not found.aside:
            told = "; ".join(found.complaints[:3])
            yield f"{host}: service {found.name}: {found.running} of {found.wanted} run" + (f": {told}" if told else "")


def _registry(view: View, host: str, entries: Mapping[str, Entry]) -> Iterator[Obstacle]:
    lacking = view.state.lacking.get(host, frozenset())
    if isinstance(lacking, str) and not is_late(view, host, entries):
        yield Obstacle(
            message=lacking,
            hint="Bring the registry back; or, where a container of the release is it, name it: service(registry=...).",
        )
    access = view.deployment.hosts[host].access
    plain = access is not None and (access.registry or "").startswith("http://")
    if plain and not _is_trusted(registry_of(view.deployment, host), view.swarm(host)):
        name = registry_of(view.deployment, host)
        yield Obstacle(
            message=f"{host}: its engine wants TLS of the registry {name}, which speaks none",
            hint=f'Tell it to the engine of every node: {{"insecure-registries": ["{name}"]}} in '
            "/etc/docker/daemon.json, then systemctl reload docker; or give the registry a certificate.",
        )


def _is_trusted(registry: str, swarm: SwarmState) -> bool:
    if registry in swarm.insecure:
        return True
    try:
        address = ipaddress.ip_address(registry.partition(":")[0])
    except ValueError:
        return False
    return any("/" in one and address in ipaddress.ip_network(one, strict=False) for one in swarm.insecure)


def _service(view: View, swarm: SwarmState, service: Service) -> Iterator[Obstacle]:
    host, name = service.host, service.name
    held = swarm.service(name)
    if held and view.found_service(service) is None:
        yield Obstacle(
            message=f"{host}: a service {name} exists that is not ours",
            hint=f"Look at it; when it may go: docker service rm {name}",
        )
    elif held and (held.settings.replicas is None) != (service.mode == "global"):
        yield Obstacle(
            message=f"{host}: service {name} would change its mode, which no swarm can do in place",
            hint="Give it another name in the definition: the old one goes when the new one is well.",
        )
    yield from _nodes(swarm, service)


def _nodes(swarm: SwarmState, service: Service) -> Iterator[Obstacle]:
    fitting = [node for node in swarm.nodes if node.usable and node.fits(service.placement.constraints)]
    wanted = service.replicas if service.mode == "replicated" else 1
    most = service.placement.max_per_node
    room = wanted if fitting and most is None else len(fitting) * (most or 0)
    if room < wanted:
        each = f", at most {most} on each" if most else ""
        yield Obstacle(
            message=f"{service.host}: service {service.name} wants {wanted} containers{each}; {len(fitting)} of "
            f"{len(swarm.nodes)} nodes can be used for it{_lost(swarm.nodes)}",
            hint="Bring nodes back or into the swarm, or look at placement and at the nodes' labels "
            "(docker node inspect).",
        )


def _lost(nodes: tuple[Node, ...]) -> str:
    lost = [f"{node.name} is {'drained' if node.ready else 'down'}" for node in nodes if not node.usable]
    return f" ({', '.join(lost)})" if lost else ""
