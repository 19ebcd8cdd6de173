"""What cannot stand together in a deployment: names without a bearer, ports and addresses given twice, circles."""

import difflib
import ipaddress
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from bundle_format.release.deployment import Container, Deployment
from bundle_format.release.fields import plain_path
from bundle_format.release.fittings import Mount, RenderedFile, VolumeMount
from bundle_format.release.value import Path

Found = tuple[Path, str]
"""Where in a variant's trees something is wrong, and what."""

ORDERED = "container, task or service"
"""What things may wait for."""

_ANY = {"0.0.0.0", "::"}  # noqa: S104  # compared with, not listened on


def conflicts(deployment: Deployment, declared: Mapping[str, Collection[str]]) -> list[Found]:
    """What could not be done as it is written; `declared` are the names of each kind, faulty ones too."""
    return [
        *_unknown_names(deployment, declared),
        *_circles(deployment),
        *_ports(deployment),
        *_volumes(deployment),
        *_paths(deployment),
    ]


def _runs(deployment: Deployment) -> Iterator[tuple[Path, Container]]:
    for name, container in deployment.containers.items():
        yield ("container", name), container
    for name, task in deployment.tasks.items():
        yield ("task", name, "container"), task.container


def _unknown_names(deployment: Deployment, declared: Mapping[str, Collection[str]]) -> Iterator[Found]:
    ordered = dict.fromkeys((*declared["container"], *declared["task"], *declared["service"]))
    for path, container in _runs(deployment):
        yield from unknown((*path, "host"), "host", [container.host], declared["host"])
        if container.image:
            yield from unknown((*path, "image"), "image", [container.image], declared["image"])
        yield from unknown((*path, "after"), ORDERED, container.after, ordered)
        networks = [attachment.network for attachment in container.networks]
        yield from unknown((*path, "networks"), "network", networks, declared["network"])
        volumes = [mount.volume for mount in container.mounts if isinstance(mount, VolumeMount)]
        yield from unknown((*path, "mounts"), "volume", volumes, declared["volume"])
    started = [*declared["container"], *declared["service"]]
    for name, task in deployment.tasks.items():
        yield from unknown(("task", name, "schedule"), "container or service", task.schedule.before, started)
        yield from unknown(("task", name, "schedule"), ORDERED, task.schedule.after, ordered)
        yield from unknown(("task", name, "backup"), "volume", task.backup, declared["volume"])
    for name, step in deployment.host_steps.items():
        yield from unknown(("host_step", name, "host"), "host", [step.host], declared["host"])
        yield from unknown(("host_step", name, "after"), "host step", step.after, declared["host_step"])
    for name in sorted(set(declared["container"]) & set(declared["task"])):
        yield ("task", name), "bears the name of a container too"


def unknown(path: Path, kind: str, used: Iterable[str], known: Collection[str]) -> Iterator[Found]:
    """Names that nothing bears, each with the one that was meant."""
    for name in used:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), 1)
            yield path, f"there is no {kind} {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _circles(deployment: Deployment) -> Iterator[Found]:
    waits: dict[str, set[str]] = {name: set(container.after) for name, container in deployment.containers.items()}
    waits |= {
        name: {*service.after, *([service.registry] if service.registry else [])}
        for name, service in deployment.services.items()
    }
    for name, task in deployment.tasks.items():
        waits[name] = {*task.container.after, *task.schedule.after}
        for later in task.schedule.before:
            waits.setdefault(later, set()).add(name)
    kinds = {**dict.fromkeys(deployment.tasks, "task"), **dict.fromkeys(deployment.services, "service")}
    yield from _circles_in(waits, lambda name: kinds.get(name, "container"))
    yield from _circles_in({name: step.after for name, step in deployment.host_steps.items()}, lambda _: "host_step")


def _circles_in(waits: Mapping[str, Iterable[str]], kind_of: Callable[[str], str]) -> Iterator[Found]:
    """Each circle that has nobody in common with those that are told before it."""
    left = {name: sorted(earlier) for name, earlier in waits.items()}
    while circle := _circle(left):
        yield (kind_of(circle[0]), circle[0], "after"), f"waits for itself: {' before '.join(circle)}"
        left = {name: earlier for name, earlier in left.items() if name not in circle}


def _circle(waits: Mapping[str, Iterable[str]]) -> Sequence[str]:
    """Those who wait for one another, the first of them once more at the end; empty where nobody does."""
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        circle: Sequence[str] = error.args[1]
        return circle
    return ()


def _ports(deployment: Deployment) -> Iterator[Found]:
    taken: dict[tuple[str, str, int], list[tuple[str, str]]] = {}
    for path, container in _runs(deployment):
        for place, port in enumerate(container.ports):
            others = taken.setdefault((_engine(deployment, container.host), port.protocol, port.host), [])
            for address, other in others:
                if address == port.address or _ANY & {address, port.address}:
                    yield (
                        (*path, "ports", place),
                        f"publishes port {port.host}/{port.protocol} on host {container.host!r}, as {other!r} does",
                    )
            others.append((port.address, container.name))


def _volumes(deployment: Deployment) -> Iterator[Found]:
    # Two volumes of one name on two hosts would be two sets of data, or one on an engine that both share.
    homes: dict[str, str] = {}
    for path, container in _runs(deployment):
        for place, mount in enumerate(container.mounts):
            if isinstance(mount, VolumeMount):
                home = homes.setdefault(mount.volume, container.host)
                if home != container.host:
                    yield (*path, "mounts", place), f"volume {mount.volume!r} is on host {home!r}: each has its own"


def _engine(deployment: Deployment, host: str) -> str:
    # In development several hosts may share one engine, and with it its ports.
    access = deployment.hosts[host].access if host in deployment.hosts else None
    return access.engine if access else host


def address_conflicts(deployment: Deployment) -> Iterator[Found]:
    """Addresses outside their networks or given twice: to be asked of a site's own values, not of samples."""
    yield from _gateways(deployment)
    taken: dict[tuple[str, str, str], str] = {}
    for path, container in _runs(deployment):
        for place, attachment in enumerate(container.networks):
            network = deployment.networks.get(attachment.network)
            if attachment.address is None or network is None:
                continue
            at = (*path, "networks", place, "address")
            if network.subnet is None:
                yield at, f"has an address on network {network.name!r}, which has no subnet"
            elif ipaddress.ip_address(attachment.address) not in ipaddress.ip_network(network.subnet):
                yield at, f"its address {attachment.address} is not in {network.subnet} of network {network.name!r}"
            other = taken.setdefault((container.host, network.name, attachment.address), container.name)
            if other != container.name:
                yield at, f"has the address {attachment.address} on network {network.name!r}, as {other!r} has"


def _gateways(deployment: Deployment) -> Iterator[Found]:
    for name, network in deployment.networks.items():
        if network.gateway is None or network.subnet is None:
            continue
        if ipaddress.ip_address(network.gateway) not in ipaddress.ip_network(network.subnet):
            yield ("network", name, "gateway"), f"{network.gateway} is not in its network {network.subnet}"


def _paths(deployment: Deployment) -> Iterator[Found]:
    for path, container in _runs(deployment):
        yield from twice(path, (*container.mounts, *container.files))


def twice(path: Path, mounted: Iterable[Mount | RenderedFile]) -> Iterator[Found]:
    """Places inside a container or service at which two things would lie."""
    seen: set[str] = set()
    for thing in mounted:
        place = plain_path(thing.path)
        if place in seen:
            yield (*path, "mounts"), f"has two things at {place}"
        seen.add(place)
