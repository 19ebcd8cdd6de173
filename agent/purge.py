"""Removing for good what nothing else removes: volumes with their data, networks, all of a product on a site."""

from dataclasses import dataclass
from typing import Literal

from agent.history import Receipt
from agent.labels import Labels, Owner
from agent.planning.view import spec_in, volumes_of
from agent.state import ContainerState, EngineState, SiteState
from agent.targets.engine import Engine
from bundle_format.errors import MissingError, PreflightError

Kind = Literal["volume", "network", "site"]


@dataclass(frozen=True, slots=True)
class Doomed:
    """What goes on one host."""

    host: str
    containers: tuple[ContainerState, ...]
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()


def doomed_by(state: SiteState, owner: Owner, kind: Kind, name: str, host: str | None) -> tuple[Doomed, ...]:
    """What a purge would remove on each host; MissingError where that is nothing."""
    found = [
        doomed
        for place, engine in state.engines.items()
        if host in (None, place) and (doomed := _on(engine, place, owner, kind, name))
    ]
    if not found:
        raise MissingError(f"no host that answers has a {kind} {name} of ours" if name else "nothing here is ours")
    return tuple(found)


def require_leave(doomed: tuple[Doomed, ...], receipt: Receipt) -> None:
    """PreflightError when something is among them that the definition protects from it, by whatever level."""
    placed = receipt.undertaking.containers
    names = {container.labels.name for one in doomed for container in one.containers if container.labels}
    guarded = sorted(name for name in names if name in placed and placed[name].protect != "no")
    if guarded:
        raise PreflightError(
            f"{', '.join(guarded)} is protected by the definition; nothing was removed",
            "What a definition protects, only a release without that protection gives free.",
        )


def purge(doomed: Doomed, engine: Engine) -> None:
    """Remove it: containers first, then what they stood on. Where it is interrupted, asking again goes on."""
    for container in doomed.containers:
        engine.stop(container.id, spec_in(container).get("stop_grace", 10))
        engine.remove(container.id)
    for network in doomed.networks:
        engine.remove_network(network)
    for volume in doomed.volumes:
        engine.remove_volume(volume)


def _on(engine: EngineState, host: str, owner: Owner, kind: Kind, name: str) -> Doomed | None:
    def ours(labels: Labels | None) -> bool:
        return labels is not None and labels.owner == owner

    volumes = tuple(one.name for one in engine.volumes if ours(one.labels) and (kind == "site" or one.name == name))
    networks = tuple(one.name for one in engine.networks if ours(one.labels) and (kind == "site" or one.name == name))
    containers = tuple(one for one in engine.containers if ours(one.labels))
    match kind:
        case "site":
            return Doomed(host, containers, networks, volumes) if containers or networks or volumes else None
        case "volume":
            users = tuple(one for one in containers if name in volumes_of(one))
            return Doomed(host, users, volumes=volumes) if volumes else None
        case "network":
            users = tuple(one for one in containers if name in one.settings.networks)
            return Doomed(host, users, networks=networks) if networks else None
