"""What the agent did not make and a release has a use for: taken over by leave of a person, never otherwise."""

from collections.abc import Iterator
from dataclasses import replace

from agent.labels import Adopted
from agent.planning.view import View, volumes_of
from agent.steps import Obstacle


def with_adopted(view: View) -> View:
    """The view with all that was adopted: before, and now by the person's wish."""
    return replace(view, adopted=view.history.adopted | frozenset(adopting(view)))


def adopting(view: View) -> Iterator[Adopted]:
    """What has a name that the person wants adopted, a place in the release, and no labels of any product."""
    for host in view.hosts if view.wishes.adopt else ():
        engine = view.engine(host)
        things = tuple(view.things(host))
        containers = view.wishes.adopt & {thing.name for thing in things}
        networks = view.wishes.adopt & {place.network for thing in things for place in thing.networks}
        for container in engine.containers:
            if container.name in containers and container.labels is None:
                yield Adopted(host=host, kind="container", key=container.id)
        for network in engine.networks:
            if network.name in networks and network.labels is None:
                yield Adopted(host=host, kind="network", key=network.id)
        for volume in engine.volumes:
            if volume.name in view.wishes.adopt & view.volumes(host) and volume.labels is None:
                yield Adopted(host=host, kind="volume", key=volume.name)


def adoption_obstacles(view: View) -> Iterator[Obstacle]:
    """Why what was asked for cannot be adopted so that it could be given back."""
    for one in sorted(adopting(view), key=lambda one: (one.host, one.kind, one.key)):
        for found in view.engine(one.host).containers:
            ours = view.is_ours(one.host, "container", found.id, found.labels)
            if one.kind == "volume" and found.running and not ours and one.key in volumes_of(found):
                yield Obstacle(
                    message=f"{one.host}: volume {one.key} cannot be adopted while {found.name}, not ours, uses it",
                    hint=f"Stop it (docker stop {found.name}) or adopt it as well: two programs must not share data.",
                )
            if one.kind == "container" and found.id == one.key and found.settings.auto_remove:
                yield Obstacle(
                    message=f"{one.host}: {found.name} was started with --rm: once stopped it could not come back",
                    hint=f"Stop it by hand when it may go (docker stop {found.name}), then apply without adopting it.",
                )
