"""Containers and tasks: what people write, in the strict form that a site binds."""

from typing import Any, Final

from builder.language.hearing import Call
from builder.language.meaning.binding import Readers, bind, read_fields
from builder.language.meaning.container.fittings import FITTINGS
from builder.language.meaning.container.mounts import read_mounts
from builder.language.meaning.container.networking import networks, ports
from builder.language.meaning.scalars import (
    items,
    list_of,
    names_of,
    plain,
    result_of,
    seconds,
    size,
)
from builder.language.meaning.spot import Spot
from builder.language.prelude.words import words


def read_container(call: Call, spot: Spot) -> dict[str, Any]:
    """`container()` as the tree of a Container."""
    bound = bind(words()["container"], call.given, call.named, spot)
    if "image" not in bound and not bound.get("external"):
        spot.fault("container() lacks 'image'; only an external one has none")
        spot.mark("image")
    return _container(bound, spot)


def read_task(call: Call, spot: Spot) -> dict[str, Any]:
    """`task()` as the tree of a OneOff."""
    bound = bind(words()["task"], call.given, call.named, spot)
    own = read_fields(_TASK, {name: value for name, value in bound.items() if name in _TASK}, spot)
    schedule = {name: own.pop(name) for name in ("before", "after") if name in own}
    _check_way_back(bound, spot)
    container = _container({name: value for name, value in bound.items() if name not in _TASK}, spot)
    return own | {"container": container | {"restart": "no"}, "schedule": schedule}


def _check_way_back(bound: dict[str, Any], spot: Spot) -> None:
    """Either a task can be undone or it says what is saved before it, so that neither is promised in vain."""
    backup = bool(bound.get("backup"))
    if not bound.get("reversible", True) and not backup:
        spot.at("reversible").wrong("what it changes would be lost on the way back: name the volumes, backup = [...]")
    elif bound.get("reversible", True) and backup:
        spot.at("backup").wrong("is taken only where reversible = False")


def _container(bound: dict[str, Any], spot: Spot) -> dict[str, Any]:
    mode = bound.get("network_mode", "bridge")
    if mode == "bridge":
        bound.setdefault("networks", None)
    tree = read_fields(_CONTAINER, bound, spot)
    if mode != "bridge" and "networks" in tree:
        spot.at("networks").wrong(f"there are none with network_mode {mode!r}")
    if mode != "bridge" and tree.get("ports"):
        spot.at("ports").wrong(f"none is published with network_mode {mode!r}")
    mounted: dict[str, Any] = tree.pop("mounts", {})
    return tree | mounted


def _networks(value: Any, spot: Spot) -> Any:
    return [{"network": spot.context.product}] if value is None else networks(value, spot)


def _ulimits(value: Any, spot: Spot) -> list[Any]:
    limits: list[Any] = []
    for name, limit in items(value, spot):
        soft, hard = limit if isinstance(limit, list) and len(limit) == 2 else (limit, limit)
        spot.at(name).lead("ulimits", len(limits))
        bounds = {"name": name, "soft": plain(soft, spot.at(name)), "hard": plain(hard, spot.at(name))}
        if None not in bounds.values():
            limits.append(bounds)
    return limits


_PLAIN: Final = ("network_mode", "extra_hosts", "dns", "devices", "privileged", "sysctls", "restart", "external")
_CONTAINER: Final[Readers] = {
    **FITTINGS,
    **{name: (name, plain) for name in _PLAIN},
    "ports": ("ports", ports),
    "networks": ("networks", _networks),
    "mounts": ("mounts", read_mounts),
    "ulimits": ("ulimits", _ulimits),
    "shm_size": ("shm_size", size),
}
_TASK: Final[Readers] = {
    "before": ("before", names_of("container", "service")),
    "after": ("after", names_of("container", "task", "service")),
    "reversible": ("reversible", plain),
    "backup": ("backup", list_of(result_of("volume"))),
    "deadline": ("deadline", seconds),
}
