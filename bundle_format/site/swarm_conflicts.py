"""What cannot stand together among the services of a deployment, and between them and its containers."""

from collections.abc import Collection, Iterator, Mapping

from bundle_format.release.deployment import Deployment
from bundle_format.release.service import MOST_FILE, Service
from bundle_format.release.value import Path
from bundle_format.site.conflicts import ORDERED, Found, twice, unknown


def swarm_conflicts(deployment: Deployment, declared: Mapping[str, Collection[str]]) -> Iterator[Found]:
    """What no swarm could do as it is written; `declared` are the names of each kind, faulty ones too."""
    yield from _containers_on_overlays(deployment)
    yield from _ports(deployment)
    for name, service in deployment.services.items():
        path = ("service", name)
        for kind in ("container", "task"):
            if name in declared[kind]:
                yield path, f"bears the name of a {kind} too"
        yield from _unknown_names(path, service, declared)
        yield from _networks(path, service, deployment)
        yield from _files(path, service)


def without_registry(deployment: Deployment) -> Iterator[Found]:
    """Hosts that have services and for which the site names no registry: asked of a site's file, not of samples."""
    for host in sorted({service.host for service in deployment.services.values()} & deployment.hosts.keys()):
        access = deployment.hosts[host].access
        if access and not access.registry:
            yield ("host", host, "access"), f'runs services, so [hosts.{host}] wants its registry = "HOST:PORT"'


def _unknown_names(path: Path, service: Service, declared: Mapping[str, Collection[str]]) -> Iterator[Found]:
    ordered = [*declared["container"], *declared["task"], *declared["service"]]
    yield from unknown((*path, "host"), "host", [service.host], declared["host"])
    yield from unknown((*path, "image"), "image", [service.image], declared["image"])
    yield from unknown((*path, "after"), ORDERED, service.after, ordered)
    yield from unknown((*path, "networks"), "network", service.networks, declared["network"])
    if service.registry is not None:
        yield from unknown((*path, "registry"), "container", [service.registry], declared["container"])


def _networks(path: Path, service: Service, deployment: Deployment) -> Iterator[Found]:
    for name in service.networks:
        network = deployment.networks.get(name)
        if network and network.driver != "overlay":
            yield (*path, "networks"), f"network {name!r} is on one host alone; services want driver = 'overlay'"


def _containers_on_overlays(deployment: Deployment) -> Iterator[Found]:
    managers = {service.host for service in deployment.services.values()}
    for name, container in deployment.containers.items():
        for attachment in container.networks:
            network = deployment.networks.get(attachment.network)
            if network and network.driver == "overlay" and container.host not in managers:
                yield (
                    ("container", name, "networks"),
                    f"network {network.name!r} is a swarm's, and host {container.host!r} has no services",
                )


def _ports(deployment: Deployment) -> Iterator[Found]:
    taken: dict[tuple[str, str, int], str] = {}
    for name, service in deployment.services.items():
        for place, port in enumerate(service.ports):
            other = taken.setdefault((service.host, port.protocol, port.port), name)
            if other != name and "ingress" in (port.mode, _mode(deployment.services[other], port.port)):
                at = ("service", name, "ports", place)
                yield at, f"publishes port {port.port}/{port.protocol} on all nodes, as {other!r} does"


def _mode(service: Service, port: int) -> str:
    return next(published.mode for published in service.ports if published.port == port)


def _files(path: Path, service: Service) -> Iterator[Found]:
    yield from twice(path, (*service.mounts, *service.files))
    for place, file in enumerate(service.files):
        if len(file.content) > MOST_FILE:
            size = f"{len(file.content)} bytes; a swarm takes {MOST_FILE} at most: put it into the image"
            yield (*path, "files", place), f"{file.path} has {size}"
