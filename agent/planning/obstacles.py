"""What a person must settle before a plan can be carried out, all of it at once."""

from collections.abc import Iterator, Mapping

from agent.planning.adoption import adoption_obstacles
from agent.planning.order import Entry
from agent.planning.swarm.hindrances import swarm_obstacles
from agent.planning.view import View
from agent.state import ContainerState, NetworkState, VolumeState
from agent.steps import (
    BackUp,
    Obstacle,
    Remove,
    Replace,
    Restart,
    Restore,
)
from agent.swarm.actions import RemoveService, UpdateService
from bundle_format.release.deployment import Network

Found = ContainerState | NetworkState | VolumeState

LEVELS = ("no", "purge", "replace", "stop")
"""How much `protect` forbids: each level what those before it do, and more."""


def obstacles(view: View, entries: Mapping[str, Entry]) -> Iterator[Obstacle]:
    """Protected containers, names of others, networks that cannot be changed, engines that do not answer."""
    yield from _unreachable(view)
    yield from _host_steps(view)
    for host in view.hosts:
        yield from _taken_names(view, host)
        yield from _networks(view, host)
        yield from _foreign_volumes(view, host)
    yield from adoption_obstacles(view)
    yield from swarm_obstacles(view, entries)
    for entry in entries.values():
        yield from _protected(view, entry)


def protection(view: View, name: str) -> str:
    """How a container or service is protected: by the release or, where that lacks it, by the one that brought it."""
    if name in view.deployment.containers:
        return view.deployment.containers[name].protect
    if name in view.deployment.services:
        return view.deployment.services[name].protect
    current = view.history.current
    placed = {**current.undertaking.containers, **current.undertaking.services} if current else {}
    return placed[name].protect if name in placed else "no"


def _protected(view: View, entry: Entry) -> Iterator[Obstacle]:
    stopped: tuple[str, ...]
    match entry.action:
        case Replace(container=name):
            stopped, limit, verb = (name,), "replace", "be replaced"
        case Remove(container=name):
            stopped, limit, verb = (name,), "replace", "be removed"
        case UpdateService(service=name):
            stopped, limit, verb = (name,), "replace", "be updated"
        case RemoveService(service=name):
            stopped, limit, verb = (name,), "replace", "be removed"
        case Restart(container=name):
            stopped, limit, verb = (name,), "stop", "be restarted"
        case BackUp(users=users) | Restore(users=users):
            stopped, limit, verb = tuple(user.name for user in users), "stop", "stop for a while"
        case _:
            return
    for name in stopped:
        level = protection(view, name)
        if name not in view.wishes.unprotect | view.wishes.adopt and LEVELS.index(level) >= LEVELS.index(limit):
            yield Obstacle(
                message=f"{name} has to {verb} ({'; '.join(entry.why)}), but is protected (protect = {level})",
                hint=f"If this is the moment for it: --unprotect {name}",
            )


def _unreachable(view: View) -> Iterator[Obstacle]:
    for host, why in view.state.unreachable.items():
        if view.chosen_host(host):
            others = [
                name for name in view.deployment.hosts if name not in view.state.unreachable and view.chosen_host(name)
            ]
            without = f"Mend it, or leave {host} out by naming the others: --only HOST"
            yield Obstacle(message=why, hint=without if others else "Mend it.")


def _host_steps(view: View) -> Iterator[Obstacle]:
    for name, step in view.deployment.host_steps.items():
        if step.host not in view.hosts:
            continue  # told as unreachable, or not asked for
        answer = view.state.checks.get(name)
        if not view.engine(step.host).has_shell:
            yield Obstacle(
                message=f"{step.host}: host step {name} is to be done on the host itself, and there is no way to it",
                hint="Reach its engine by ssh://, or run the agent on the host.",
            )
        elif isinstance(answer, str):
            yield Obstacle(
                message=f"{step.host}: host step {name}: its check could not be asked: {answer}",
                hint="Try the command by hand on the host.",
            )


def _taken_names(view: View, host: str) -> Iterator[Obstacle]:
    for container in view.things(host):
        if view.taken(container):
            found = view.engine(host).container(container.name)
            yield Obstacle(
                message=f"{host}: the name {container.name} belongs to a container that is {_whose(found)}",
                hint=_same_place(view, found)
                + _offer(found, f"When ours may take its place: --adopt {container.name}. ")
                + f"To keep it: docker stop {container.name} && "
                f"docker rename {container.name} {container.name}-before-floto",
            )


def _networks(view: View, host: str) -> Iterator[Obstacle]:
    held = {network.name: network for network in view.engine(host).networks}
    for name in sorted(view.networks(host)):
        wanted, found = view.deployment.networks[name], held.get(name)
        if found is None:
            continue
        if not view.is_ours(host, "network", found.id, found.labels):
            yield Obstacle(
                message=f"{host}: a network {name} exists that is {_whose(found)}",
                hint=_offer(found, f"To use it as it is: --adopt {name}. ") + "Or remove it, or use another name.",
            )
        elif difference := _difference(wanted, found):
            yield Obstacle(
                message=f"{host}: network {name} would change its {difference}, which no engine can do in place",
                hint=f"Free it first, with all that is attached to it: floto-agent purge network {name}",
            )


def _difference(wanted: Network, found: NetworkState) -> str:
    asked = {
        "driver": (wanted.driver, found.driver),
        "subnet": (wanted.subnet or found.subnet, found.subnet),
        "gateway": (wanted.gateway or found.gateway, found.gateway),
        "isolation": (wanted.internal, found.internal),
    }
    return ", ".join(name for name, (wish, fact) in asked.items() if wish != fact)


def _foreign_volumes(view: View, host: str) -> Iterator[Obstacle]:
    held = {volume.name: volume for volume in view.engine(host).volumes}
    for name in sorted(view.volumes(host) & held.keys()):
        if not view.is_ours(host, "volume", name, held[name].labels):
            yield Obstacle(
                message=f"{host}: a volume {name} exists that is {_whose(held[name])}",
                hint="Look at what it holds. "
                + _offer(held[name], f"To use it with its data: --adopt {name}. ")
                + "Or use another name in the definition.",
            )


def _whose(found: Found | None) -> str:
    return (
        f"not ours but {found.labels.product}'s at site {found.labels.site}" if found and found.labels else "not ours"
    )


def _same_place(view: View, found: Found | None) -> str:
    """Our own, from when the site's file gave the site another name."""
    labels = found.labels if found else None
    if labels is None or labels.product != view.owner.product:
        return ""
    return f'If this is still that site, write site = "{labels.site}" again: the name of a site never changes. '


def _offer(found: Found | None, offer: str) -> str:
    """What a product has made cannot be adopted by another: their agents would fight for it."""
    return "" if found and found.labels else offer
