"""Stopping and starting what a release has, by hand: in the order in which its parts need each other."""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from graphlib import TopologicalSorter
from pathlib import Path

from agent.applying.health import await_health
from agent.applying.means import Means
from agent.applying.waking import await_engine
from agent.history import Placed
from agent.interlude import interlude
from agent.planning.obstacles import LEVELS
from agent.state import SiteState
from bundle_format.errors import FlotoError, PreflightError, TargetError
from bundle_format.release.deployment import Host


def in_order(containers: Mapping[str, Placed], names: Collection[str], tasks: Mapping[str, Placed]) -> tuple[str, ...]:
    """The named containers, each behind those that it waits for, be it by way of tasks; hosts stand for all on them.

    FlotoError for a name that the release does not have.
    """
    hosts = {placed.host for placed in containers.values()}
    require_known(names, {*containers, *hosts}, "container or host")
    chosen = {name for name, placed in containers.items() if not names or name in names or placed.host in names}
    return _sorted(containers, chosen, tasks)


def needed(containers: Mapping[str, Placed], names: Iterable[str], tasks: Mapping[str, Placed]) -> tuple[str, ...]:
    """The named containers and all that they wait for, be it by way of tasks, in their order."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        placed = containers.get(name) or tasks.get(name)
        if placed and name not in found:
            found.add(name)
            waiting += placed.after
    return _sorted(containers, found, tasks)


def _sorted(containers: Mapping[str, Placed], chosen: Collection[str], tasks: Mapping[str, Placed]) -> tuple[str, ...]:
    graph = {name: placed.after for name, placed in (*containers.items(), *tasks.items())}
    return tuple(name for name in TopologicalSorter(graph).static_order() if name in containers and name in chosen)


def stands_still(means: Means, name: str, placed: Placed) -> bool:
    """Whether a container is known not to run; False where its host does not answer."""
    try:
        found = means.engine(placed.host).inspect(name)
    except TargetError:
        return False
    return found is None or not found.running


def require_unprotected(containers: Mapping[str, Placed], names: Iterable[str], unprotect: Collection[str]) -> None:
    """PreflightError when a container that must not be stopped is among them."""
    guarded = [name for name in names if containers[name].protect == LEVELS[-1] and name not in unprotect]
    if guarded:
        raise PreflightError(
            f"{', '.join(guarded)} must not be stopped (protect = stop); nothing was changed",
            f"If this is the moment for it: --unprotect {guarded[0]}",
        )


def require_known(names: Iterable[str], known: Set[str], kinds: str) -> None:
    """FlotoError for names that the release does not have."""
    if unknown := sorted(set(names) - known):
        raise FlotoError(
            f"the release has no {kinds} called {', '.join(unknown)}; nothing was changed",
            f"It has: {', '.join(sorted(known))}",
        )


def wake(means: Means, state: SiteState, hosts: Iterable[Host]) -> None:
    """Start the machines of hosts that have no power, and wait until their engines answer."""
    for host in hosts:
        if host.machine is None or host.machine.hypervisor not in state.hypervisors:
            continue
        hypervisor = means.hypervisor(host.machine.hypervisor)
        found = hypervisor.inspect(state.hypervisors[hypervisor.name].machine_name(host.name))
        if found and not found.running:
            with means.progress.task(f"starting machine {found.name}"):
                hypervisor.start(found.id)
                await_engine(host.name, hypervisor, found.id, means)


def stop(means: Means, containers: Mapping[str, Placed], names: Iterable[str]) -> None:
    """Stop containers, those that need others first; each gets its own signal and grace."""
    for name in reversed(tuple(names)):
        with means.progress.task(f"stopping {name}"):
            means.engine(containers[name].host).stop(name, containers[name].grace)


def start(means: Means, containers: Mapping[str, Placed], names: Iterable[str]) -> None:
    """Start containers, each once those that it needs are well; TargetError when one does not become so."""
    for name in names:
        engine = means.engine(containers[name].host)
        with means.progress.task(f"starting {name}"):
            engine.start(name)
            await_health(engine, name, containers[name].deadline, means)


def restart(means: Means, containers: Mapping[str, Placed], names: Sequence[str], note: Path) -> None:
    """Stop and start containers in their order; where that ends early, by Ctrl-C too, what ran before runs again.

    `note` is where that is noted (`interlude`), for an agent that is killed.
    """
    found = {name: means.engine(containers[name].host).inspect(name) for name in names}
    ran = [(containers[name].host, name) for name in names if (state := found[name]) and state.running]
    with interlude(note, means, "restart", ran):
        stop(means, containers, names)
        start(means, containers, names)
