"""What a manager of a swarm reports: its nodes, its services with their tasks, its configs and secrets."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from agent.labels import Labels
from bundle_format.release.service import Published

Update = Literal["", "updating", "paused", "completed", "rollback_started", "rollback_paused", "rollback_completed"]
"""How the last change of a service goes; empty where its containers needed none."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node; `traits` are what constraints may ask of it, such as `node.role` and `node.labels.rack`."""

    id: str
    name: str
    ready: bool = True
    active: bool = True
    manager: bool = False
    traits: Mapping[str, str] = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        """Whether the swarm may give it something to run."""
        return self.ready and self.active

    def fits(self, constraints: Iterable[str]) -> bool:
        """Whether it meets the constraints, as far as they are understood here."""
        return all(self._meets(constraint) for constraint in constraints)

    def _meets(self, constraint: str) -> bool:
        equal = "==" in constraint
        key, _, wanted = constraint.partition("==" if equal else "!=")
        if key.strip() in ("node.ip", ""):
            return True  # only the swarm knows
        held = self.traits.get(key.strip(), "")
        return (held.casefold() == wanted.strip().casefold()) is equal


@dataclass(frozen=True, slots=True)
class ServiceTask:
    """One container of a service; `current` where it is made from what the service says now."""

    node: str
    state: str
    wanted: bool
    current: bool
    error: str = ""

    @property
    def runs(self) -> bool:
        """Whether it runs as it shall; a swarm says so only once it is healthy."""
        return self.wanted and self.current and self.state == "running"


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """How a service is really set up, for telling drift; `env` may hold secrets and is never shown."""

    image: str = ""
    replicas: int | None = None
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    constraints: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    memory: int = 0
    cpu_millis: int = 0


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A service, ours (with labels) or not; `monitor` is how many seconds new containers must stay well.

    `before` is the digest of what it was made from before its last change, `aside` names the transaction that stopped
    it to remove it.
    """

    name: str
    labels: Labels | None = None
    settings: ServiceSettings = ServiceSettings()
    update: Update = ""
    message: str = ""
    tasks: tuple[ServiceTask, ...] = ()
    before: str = ""
    aside: str = ""
    monitor: int = 5

    @property
    def wanted(self) -> int:
        """How many containers it shall have; a global one as many as the swarm has found nodes for."""
        if self.settings.replicas is not None:
            return self.settings.replicas
        return sum(task.wanted for task in self.tasks)

    @property
    def running(self) -> int:
        """How many of them run, made from what it says now."""
        return sum(task.runs for task in self.tasks)

    @property
    def well(self) -> bool:
        """Whether all that it shall have runs, and the swarm has not given up amid a change."""
        counted = self.running == self.wanted and (self.running > 0 or self.settings.replicas is not None)
        return counted and self.update not in ("paused", "rollback_paused")

    @property
    def settled(self) -> bool:
        """Whether the swarm says that it is done with the last change.

        It never says so of a global service that was put back, nor where a node was lost amid the change.
        """
        return self.update in ("", "completed", "rollback_completed")

    @property
    def failures(self) -> int:
        """How many of its containers ended badly, as far back as the swarm remembers."""
        return sum(task.current and task.state in ("failed", "rejected") for task in self.tasks)

    @property
    def complaints(self) -> tuple[str, ...]:
        """What its containers died of, each once."""
        return tuple(dict.fromkeys(f"{task.node}: {task.error}" for task in self.tasks if task.error))


@dataclass(frozen=True, slots=True)
class SwarmState:
    """The swarm that an engine manages; `fault` says why it cannot be asked, `files` are configs and secrets."""

    fault: str = "the engine is in no swarm"
    nodes: tuple[Node, ...] = ()
    services: tuple[ServiceState, ...] = ()
    files: Mapping[str, Labels | None] = field(default_factory=dict)
    insecure: frozenset[str] = frozenset()
    """Registries that the manager's own engine reaches without trusted TLS."""

    def service(self, name: str) -> ServiceState | None:
        """The service of that name, whoever made it."""
        return next((service for service in self.services if service.name == name), None)


def port_text(port: Published) -> str:
    """A published port as a service's settings tell it."""
    return f"{port.port}:{port.container}/{port.protocol} {port.mode}"
