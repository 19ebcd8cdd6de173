"""All that a plan is made from, and the questions that planning asks of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from agent.history import Backup, History
from agent.labels import Adopted, Labels, Owner
from agent.planning.reasons import Spec
from agent.state import ContainerState, EngineState, SiteState
from agent.steps import Standing, is_passing
from agent.swarm.state import ServiceState, SwarmState
from bundle_format.digest import Digest
from bundle_format.release.deployment import Container, Deployment, OneOff
from bundle_format.release.fittings import VolumeMount
from bundle_format.release.service import Service


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the person asks for beyond the release.

    `only` these hosts or containers; `anew` made even if they are right; `unprotect` in spite of their protection;
    `restore` these backups, for what changed the data cannot be undone otherwise; `adopt` what has these names and is
    nobody's: containers are replaced, volumes and networks used as they are.
    """

    only: frozenset[str] = frozenset()
    anew: frozenset[str] = frozenset()
    unprotect: frozenset[str] = frozenset()
    restore: tuple[Backup, ...] = ()
    adopt: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class View:
    """A deployment beside the state of its site; `sizes` are those of blobs, where they are known.

    `adopted` is what counts as ours although it lacks our labels (`adoption`).
    """

    deployment: Deployment
    state: SiteState
    history: History = field(default_factory=History)
    wishes: Wishes = Wishes()
    sizes: Mapping[Digest, int] = field(default_factory=dict)
    adopted: frozenset[Adopted] = frozenset()

    @property
    def owner(self) -> Owner:
        """For whom the plan is."""
        return Owner(self.deployment.product, self.deployment.site)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that the plan is about and whose engines answered."""
        return tuple(host for host in self.state.engines if self.chosen_host(host))

    def chosen(self, name: str, host: str) -> bool:
        """Whether the plan is about a container or task."""
        return not self.wishes.only or name in self.wishes.only or host in self.wishes.only

    def chosen_host(self, host: str) -> bool:
        """Whether the plan is about a host or something on it."""
        everything: list[Container | Service] = [
            *self.deployment.containers.values(),
            *(task.container for task in self.deployment.tasks.values()),
            *self.deployment.services.values(),
        ]
        return self.chosen("", host) or any(
            self.chosen(thing.name, thing.host) for thing in everything if thing.host == host
        )

    def engine(self, host: str) -> EngineState:
        """What a host's engine reports."""
        return self.state.engines[host]

    def swarm(self, host: str) -> SwarmState:
        """What the swarm that a host's engine manages reports."""
        return self.engine(host).swarm

    def answers(self, host: str) -> bool:
        """Whether a host's engine was asked and answered."""
        return host in self.state.engines

    def services(self, host: str) -> Iterator[Service]:
        """The services that the agent shall bring about through a host."""
        for service in self.deployment.services.values():
            if service.host == host and self.chosen(service.name, host):
                yield service

    def found_service(self, wanted: Service) -> ServiceState | None:
        """The service of ours that has the name of `wanted` in its swarm."""
        found = self.swarm(wanted.host).service(wanted.name)
        return found if found and found.labels and found.labels.owner == self.owner else None

    def our_services(self, host: str) -> Iterator[ServiceState]:
        """What this product has in the swarm of a host; two managers of one swarm tell of the same."""
        for found in self.swarm(host).services:
            if found.labels and found.labels.owner == self.owner:
                tellers = [one for one, engine in self.state.engines.items() if engine.swarm.service(found.name)]
                home = found.labels.host if found.labels.host in tellers else tellers[0]
                if home == host:
                    yield found

    def containers(self, host: str) -> Iterator[Container]:
        """The containers that the agent shall bring about on a host."""
        for container in self.deployment.containers.values():
            if container.host == host and not container.external and self.chosen(container.name, host):
                yield container

    def tasks(self, host: str) -> Iterator[tuple[str, OneOff]]:
        """The one-off tasks of a host, by name."""
        for name, task in self.deployment.tasks.items():
            if task.container.host == host and self.chosen(name, host):
                yield name, task

    def things(self, host: str) -> Iterator[Container]:
        """The containers and the tasks' containers of a host."""
        yield from self.containers(host)
        yield from (task.container for _, task in self.tasks(host))

    def thing(self, name: str) -> Container:
        """A container or a task's container by its name."""
        if name in self.deployment.containers:
            return self.deployment.containers[name]
        return self.deployment.tasks[name].container

    def volumes(self, host: str) -> frozenset[str]:
        """The volumes that containers of a host shall mount."""
        return frozenset(volume for thing in self.things(host) for volume in volumes_in(thing))

    def is_ours(
        self, host: str, kind: Literal["container", "network", "volume"], key: str, labels: Labels | None
    ) -> bool:
        """Whether we may change something: it carries our labels or was adopted, by its id or a volume's name."""
        if labels is None:
            return bool(self.adopted) and Adopted(host=host, kind=kind, key=key) in self.adopted
        return labels.owner == self.owner

    def networks(self, host: str) -> frozenset[str]:
        """The networks that containers of a host and services asked of it shall be on."""
        joined = {place.network for thing in self.things(host) for place in thing.networks}
        return frozenset(joined | {network for service in self.services(host) for network in service.networks})

    def found(self, wanted: Container) -> ContainerState | None:
        """The container of ours, or an adopted one, that has the name of `wanted` on its engine."""
        found = self.engine(wanted.host).container(wanted.name)
        return found if found and self.is_ours(wanted.host, "container", found.id, found.labels) else None

    def taken(self, wanted: Container) -> bool:
        """Whether somebody else's container has the name."""
        return self.found(wanted) is None and self.engine(wanted.host).container(wanted.name) is not None

    def tags_of(self, host: str, image: str) -> tuple[str, ...]:
        """The tags that an engine has for an image of its own id."""
        return next((held.tags for held in self.engine(host).images if held.id == image), ())

    def ours(self, host: str) -> Iterator[ContainerState]:
        """What this product has on a host's engine, drafts and containers set aside among it."""
        for container in self.engine(host).containers:
            if container.labels and container.labels.owner == self.owner and self._home(container) == host:
                yield container

    def standing(self, host: str) -> Iterator[ContainerState]:
        """What this product has on a host's engine under a lasting name."""
        return (found for found in self.ours(host) if not is_passing(found.name))

    def users(self, host: str, volume: str) -> Iterator[ContainerState]:
        """What mounts a volume on a host's engine now and runs."""
        ours = (
            found
            for found in self.engine(host).containers
            if not is_passing(found.name) and self.is_ours(host, "container", found.id, found.labels)
        )
        return (found for found in ours if found.running and volume in volumes_of(found))

    def waits_for(self, name: str) -> frozenset[str]:
        """The containers and tasks that must be well before this one starts."""
        return waits_for(self.deployment, name)

    def _home(self, container: ContainerState) -> str:
        # Hosts of a definition may share an engine; what no host claims any more belongs to the first that has it.
        assert container.labels is not None
        if container.labels.host in self.deployment.hosts:
            return container.labels.host
        return next(host for host, engine in self.state.engines.items() if container in engine.containers)


def waits_for(deployment: Deployment, name: str) -> frozenset[str]:
    """The containers and tasks that must be well before this container, task or service starts."""
    before = {task for task, one_off in deployment.tasks.items() if name in one_off.schedule.before}
    if name in deployment.tasks:
        task = deployment.tasks[name]
        return frozenset(before | set(task.schedule.after) | set(task.container.after))
    if name in deployment.services:
        service = deployment.services[name]
        return frozenset(before | set(service.after) | ({service.registry} if service.registry else set()))
    container = deployment.containers.get(name)
    return frozenset(before | set(container.after if container else ()))


def spec_in(container: ContainerState) -> Spec:
    """What one of our containers was made from, as its label tells; nothing of one that we did not make."""
    return {} if container.labels is None else spec_told(container.labels)


def spec_told(labels: Labels) -> Spec:
    """What something of ours was made from, as its label tells."""
    try:
        spec = json.loads(labels.spec)
    except ValueError:
        return {}
    return spec if isinstance(spec, dict) else {}


def volumes_of(container: ContainerState) -> frozenset[str]:
    """The named volumes that a container mounts."""
    mounts = (mount.split(":") for mount in container.settings.mounts)
    return frozenset(source for kind, source, *_ in mounts if kind == "volume")


def volumes_in(container: Container) -> frozenset[str]:
    """The named volumes that a container shall mount."""
    return frozenset(mount.volume for mount in container.mounts if isinstance(mount, VolumeMount))


def as_standing(container: ContainerState) -> Standing:
    """A container as a step remembers it."""
    return Standing(
        name=container.name,
        running=container.running,
        well=is_well(container),
        grace=spec_in(container).get("stop_grace", 10),
    )


def is_well(container: ContainerState) -> bool:
    """Whether a container runs, and nothing says that it runs badly."""
    return container.status == "running" and container.health != "unhealthy"
