"""Services: what people write, in the strict form that a site binds and a swarm carries out."""

from typing import Any, Final

from builder.language.hearing import Call
from builder.language.meaning.binding import Readers, bind, read_fields
from builder.language.meaning.container.fittings import FITTINGS
from builder.language.meaning.container.mounts import read_mounts
from builder.language.meaning.container.networking import PORT
from builder.language.meaning.scalars import (
    cpu_millis,
    is_result,
    items,
    list_of,
    plain,
    record_of,
    result_of,
    seconds,
    size,
)
from builder.language.meaning.spot import Spot
from builder.language.prelude.words import words


def read_service(call: Call, spot: Spot) -> dict[str, Any]:
    """`service()` as the tree of a Service."""
    bound = bind(words()["service"], call.given, call.named, spot)
    if bound.get("mode") == "global" and "replicas" in bound:
        spot.at("replicas").wrong('there is none with mode = "global": one container runs on each node')
    tree = {"networks": [shared_network(spot.context.product)]} | read_fields(_SERVICE, bound, spot)
    mounted: dict[str, Any] = tree.pop("mounts", {})
    return tree | mounted


def shared_network(product: str) -> str:
    """The network of services that name none."""
    return f"{product}-services"


def _mounts(value: Any, spot: Spot) -> dict[str, list[Any]]:
    kept: dict[str, Any] = {}
    for path, member in items(value, spot):
        if is_result(member, "volume", "read_only"):
            spot.at(path).wrong(
                "each node would have a volume of its own: mount a host_path() that all nodes share, "
                "or let a container() keep what must not be lost"
            )
        else:
            kept[path] = member
    return read_mounts(kept, spot)


def _ports(value: Any, spot: Spot) -> list[Any]:
    published: list[Any] = []
    for inside, outside in items(value, spot):
        found = PORT.fullmatch(inside)
        if not found:
            spot.at(inside).wrong("must be a container's port such as '8080/tcp' or '53/udp'")
            continue
        on_node = is_result(outside, "node_port")
        place = record_of("node_port", _NODE_PORT)(outside, spot.at(inside)) if on_node else None
        port = place.get("port") if place else plain(outside, spot.at(inside))
        spot.at(inside).lead("ports", len(published))
        if port is not None:
            mode = {"mode": "host"} if on_node else {}
            published.append({"container": int(found[1]), "protocol": found[2] or "tcp", "port": port} | mode)
    return published


_NODE_PORT: Final[Readers] = {"port": ("port", plain)}
_PLACEMENT: Final[Readers] = {name: (name, plain) for name in ("constraints", "spread", "max_per_node")}
_ROLLING: Final[Readers] = {
    **{name: (name, plain) for name in ("parallelism", "order", "failure_action", "max_failures")},
    **{name: (name, seconds) for name in ("delay", "monitor")},
}
_RESTARTING: Final[Readers] = {
    **{name: (name, plain) for name in ("condition", "attempts")},
    **{name: (name, seconds) for name in ("delay", "window")},
}
_SERVICE: Final[Readers] = {
    **FITTINGS,
    **{name: (name, plain) for name in ("mode", "replicas", "endpoint")},
    "registry": ("registry", result_of("container")),
    "placement": ("placement", record_of("placement", _PLACEMENT)),
    "update": ("update", record_of("rolling", _ROLLING)),
    "restart": ("restart", record_of("restarting", _RESTARTING)),
    "ports": ("ports", _ports),
    "networks": ("networks", list_of(result_of("network"))),
    "mounts": ("mounts", _mounts),
    "reserve_cpus": ("reserve_cpu_millis", cpu_millis),
    "reserve_memory": ("reserve_memory", size),
}
