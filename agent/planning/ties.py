"""What each step has to wait for: what it stands on, what it depends on, and what is in its way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from agent.planning.order import Entry
from agent.planning.swarm.services import service_needs
from agent.planning.view import View, volumes_in, volumes_of
from agent.state import ContainerState
from agent.steps import (
    Create,
    DoHostStep,
    Draft,
    Remove,
    Replace,
    Restart,
    Restore,
    RunTask,
    Start,
    again_name,
    aside_name,
    draft_name,
)
from agent.swarm.actions import CreateService, DraftService, PushImages, UpdateService
from bundle_format.release.deployment import Container
from bundle_format.release.fittings import Port


@dataclass(frozen=True, slots=True)
class _Leaving:
    """A container that a step takes out of the way, on which engine, and whether for good."""

    key: str
    engine: str
    found: ContainerState
    for_good: bool


def tied(view: View, entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries, each with the keys of those that end before it."""
    leaving = tuple(_leaving(view, entries))
    return {
        key: replace(entry, needs=(entry.needs | frozenset(_needs(view, entries, leaving, entry))) - {key})
        for key, entry in entries.items()
    }


def _leaving(view: View, entries: Mapping[str, Entry]) -> Iterator[_Leaving]:
    for key, entry in entries.items():
        action = entry.action
        if isinstance(action, Replace | Remove):
            engine = view.engine(action.host)
            found = engine.container(action.standing.name)
            if found:
                yield _Leaving(key, engine.facts.id, found, isinstance(action, Remove))


def _needs(view: View, entries: Mapping[str, Entry], leaving: tuple[_Leaving, ...], entry: Entry) -> Iterator[str]:
    action = entry.action
    match action:
        case DoHostStep(step=name):
            yield from (f"host_step/{other}" for other in _steps_before(view, name))
        case Draft(host=host, container=name):
            yield from (f"host_step/{other}" for other, step in view.deployment.host_steps.items() if step.host == host)
            engine = view.engine(host).facts.id
            thing = view.thing(name)
            yield from (f"network/{engine}/{place.network}" for place in thing.networks)
            yield from (f"volume/{engine}/{volume}" for volume in volumes_in(thing))
            passing = (draft_name(name), aside_name(name), again_name(name))
            yield from (f"discard/{host}/{other}" for other in passing)
        case Create(container=name) | Replace(container=name) | Start(container=name) | Restart(container=name):
            yield f"update/{name}"
            yield from _dependencies(view, entries, name)
            yield from _in_the_way(view, leaving, view.thing(name))
            yield from _volume_work(entries, action.host, volumes_in(view.thing(name)))
            found = view.found(view.thing(name))
            yield from _volume_work(entries, action.host, volumes_of(found) if found else frozenset())
        case DraftService(host=host, service=name):
            engine = view.engine(host).facts.id
            yield from (f"network/{engine}/{network}" for network in view.deployment.services[name].networks)
        case CreateService(service=name) | UpdateService(service=name):
            yield from _dependencies(view, entries, name)
            yield from service_needs(view, entries, view.deployment.services[name])
        case PushImages(host=host):
            yield from (f"switch/{service.registry}" for service in view.services(host) if service.registry)
        case RunTask(host=host, task=name):
            yield from _dependencies(view, entries, name)
            yield from _volume_work(entries, host, frozenset(view.deployment.tasks[name].backup))
        case Remove(host=host, standing=standing):
            found = view.engine(host).container(standing.name)
            yield from _volume_work(entries, host, volumes_of(found) if found else frozenset())
        case Restore(host=host, volume=volume):
            yield f"backup/{host}/{volume}"


def _dependencies(view: View, entries: Mapping[str, Entry], name: str) -> Iterator[str]:
    """What must be well before; through those of them that need no step themselves."""
    seen = set[str]()
    waiting = list(view.waits_for(name))
    while waiting:
        other = waiting.pop()
        if other in seen:
            continue
        seen.add(other)
        if f"switch/{other}" in entries:
            yield f"switch/{other}"
        else:
            waiting += view.waits_for(other)


def _steps_before(view: View, name: str) -> set[str]:
    """The steps of hosts that come before one of them, done already or not."""
    before, waiting = set[str](), [name]
    while waiting:
        new = set(view.deployment.host_steps[waiting.pop()].after) - before
        before |= new
        waiting += new
    return before


def _volume_work(entries: Mapping[str, Entry], host: str, volumes: frozenset[str]) -> Iterator[str]:
    for volume in volumes:
        for key in (f"backup/{host}/{volume}", f"restore/{host}/{volume}"):
            if key in entries:
                yield key


def _in_the_way(view: View, leaving: tuple[_Leaving, ...], wanted: Container) -> Iterator[str]:
    """What goes and holds the name elsewhere, a port or, under another name, the data that `wanted` is about to use."""
    engine = view.engine(wanted.host).facts.id
    ports, volumes = wanted.ports, volumes_in(wanted)
    for other in leaving:
        moved = other.for_good and other.found.labels is not None and other.found.labels.name == wanted.name
        beside = other.engine == engine and other.found.name != wanted.name
        holds = _share_port(other.found, ports) or (other.for_good and bool(volumes_of(other.found) & volumes))
        if moved or (beside and holds):
            yield other.key


def _share_port(found: ContainerState, wanted: tuple[Port, ...]) -> bool:
    return any(overlap(held, port) for held in found.ports for port in wanted)


def overlap(one: Port, other: Port) -> bool:
    """Whether two published ports cannot be held at once."""
    if (one.host, one.protocol) != (other.host, other.protocol):
        return False
    everywhere = {"0.0.0.0", "::"}  # noqa: S104  # to compare with, not to listen on
    return one.address == other.address or bool({one.address, other.address} & everywhere)
