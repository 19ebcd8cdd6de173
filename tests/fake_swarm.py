"""A swarm in memory behind a FakeEngine: services that roll, fail and go back by the clock, and a registry.

A FakeSwarmDaemon is what outlives the agent; a FakeSwarm is one agent's connection to it.
"""

import json
import shlex
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from agent.labels import Labels
from agent.steps import draft_name
from agent.swarm.state import Node, ServiceSettings, ServiceState, ServiceTask, SwarmState, Update, port_text
from agent.targets.archive import manifest_of
from agent.targets.engine import Blobs, LogLine
from bundle_format.digest import Digest
from bundle_format.errors import TargetError
from bundle_format.progress import Progress
from bundle_format.release.fields import Sealed
from bundle_format.release.model import Image
from bundle_format.release.service import Service, file_name_of

if TYPE_CHECKING:
    from tests.fakes import FakeDaemon, FakeEngine

ROLL_SECONDS = 1.0
"""How long all containers of a service take to be replaced, or to fail."""


@dataclass(frozen=True)
class FakeSpec:
    """What a service says at one time."""

    service: Service
    labels: Labels
    reference: str
    manifest: Digest
    force: int = 0
    aside: str = ""

    @property
    def template(self) -> tuple[Any, ...]:
        """What its containers are made from: another one means other containers."""
        apart = {"replicas", "mode", "placement", "update", "ports", "after", "health_deadline", "protect", "registry"}
        return self.service.model_dump_json(exclude=apart | {"env"}), str(self.service.env), self.reference, self.force


@dataclass
class FakeService:
    spec: FakeSpec
    before: FakeSpec | None
    changed: float
    dirty: bool
    going_back: bool = False
    log: list[LogLine] = field(default_factory=list)


@dataclass
class FakeFile:
    labels: Labels
    content: object


class FakeSwarmDaemon:
    """What the managers of a swarm hold, and the registry beside it."""

    def __init__(self, daemon: "FakeDaemon") -> None:
        self._daemon = daemon
        self.fault = "the engine is in no swarm (inactive)"
        self.nodes = [Node("n1", "n1", manager=True, traits={"node.role": "manager"})]
        self.services: dict[str, FakeService] = {}
        self.files: dict[str, FakeFile] = {}
        self.registry: dict[Digest, dict[str, Any]] = {}
        self.registry_fault = ""

    def init(self) -> None:
        """As `docker swarm init` does."""
        self.fault = ""

    def good(self, spec: FakeSpec) -> bool:
        """Whether containers of it become healthy and stay so."""
        config = self.registry.get(spec.manifest)
        if config is None:
            return False
        service = spec.service
        entrypoint = service.entrypoint if service.entrypoint is not None else tuple(config.get("Entrypoint", ()))
        words = entrypoint + (service.command or (() if service.entrypoint else tuple(config.get("Cmd", ()))))
        if self._daemon.program_alone(words)[0] < ROLL_SECONDS:
            return False
        check = service.healthcheck
        if check is None:
            return True
        asked = shlex.split(check.test[1]) if check.test[0] == "CMD-SHELL" else check.test[1:]
        return self._daemon.program_alone(asked)[1] == 0

    def settle(self, service: FakeService) -> None:
        """Go back by itself where the last change failed, as an engine does whether or not anybody looks."""
        failed = service.dirty and not service.going_back and service.before and not self.good(service.spec)
        if failed and self._age(service) >= ROLL_SECONDS and service.spec.service.update.failure_action == "rollback":
            assert service.before
            service.spec, service.before, service.going_back = service.before, None, True
            service.changed += ROLL_SECONDS

    def state(self, service: FakeService) -> ServiceState:
        self.settle(service)
        spec = service.spec
        return ServiceState(
            name=spec.service.name,
            labels=spec.labels,
            settings=_settings(spec),
            update=self._update(service),
            tasks=tuple(self._tasks(service)),
            before=service.before.labels.digest if service.before else "",
            aside=spec.aside,
            monitor=spec.service.update.monitor,
        )

    def change(self, service: FakeService, spec: FakeSpec, *, back: bool = False) -> None:
        self.settle(service)
        old = service.spec
        service.spec, service.before, service.changed = spec, old, self._daemon.clock.now
        service.dirty, service.going_back = old.template != spec.template or back, back

    def _age(self, service: FakeService) -> float:
        return self._daemon.clock.now - service.changed

    def _update(self, service: FakeService) -> Update:
        rolled = self._age(service) >= ROLL_SECONDS
        if service.going_back:
            return "rollback_completed" if rolled else "rollback_started"
        if not service.dirty or service.before is None:
            return ""
        if not rolled:
            return "updating"
        return "completed" if self.good(service.spec) else "paused"

    def _tasks(self, service: FakeService) -> Iterator[ServiceTask]:
        spec = service.spec
        fitting = [node for node in self.nodes if node.usable and node.fits(spec.service.placement.constraints)]
        replicas = len(fitting) if spec.service.mode == "global" else spec.service.replicas
        room = [node for _ in range(spec.service.placement.max_per_node or replicas) for node in fitting]
        rolled, good = self._age(service) >= ROLL_SECONDS, self.good(spec)
        for number in range(0 if spec.aside else replicas):
            if number >= len(room):
                yield ServiceTask("no node yet", "pending", True, True, "no suitable node")
            elif not rolled and service.dirty:
                yield ServiceTask(room[number].name, "starting", True, True)
            else:
                state, error = ("running", "") if good else ("failed", "task: non-zero exit (1)")
                yield ServiceTask(room[number].name, state, True, True, error)


class FakeSwarm:
    """One agent's connection to a FakeSwarmDaemon; a Swarm."""

    def __init__(
        self,
        engine: "FakeEngine",
        daemon: FakeSwarmDaemon,
        now: Callable[[], float],
        effect: Callable[[str, str], AbstractContextManager[None]],
    ) -> None:
        self._engine = engine
        self._daemon = daemon
        self._now = now
        self._effect = effect

    def observe(self) -> SwarmState:
        daemon = self._daemon
        if daemon.fault:
            return SwarmState(daemon.fault)
        services = tuple(daemon.state(service) for service in daemon.services.values())
        files = {name: file.labels for name, file in daemon.files.items()}
        return SwarmState("", tuple(daemon.nodes), services, files)

    def service(self, name: str) -> ServiceState | None:
        self._reach()
        found = self._daemon.services.get(name)
        return self._daemon.state(found) if found else None

    def reference(self, image: Image) -> str:
        return f"registry:5000/{image.tag}@{image.manifest}"

    def lacking(self, images: Sequence[Image]) -> frozenset[Digest]:
        self._ask_registry()
        return frozenset(image.manifest for image in images if image.manifest not in self._daemon.registry)

    def push(self, images: Sequence[Image], blobs: Blobs, progress: Progress) -> None:
        self._ask_registry()
        for image in images:
            if image.manifest not in self._daemon.registry:
                with self._effect("push", image.tag):
                    manifest_of(image, blobs)
                    for layer in image.layers:
                        with blobs.open(layer) as stream:
                            stream.read()
                    with blobs.open(image.config) as stream:
                        self._daemon.registry[image.manifest] = json.loads(stream.read())["config"]

    def draft(self, service: Service, labels: Labels, image: Image) -> None:
        with self._effect("draft", service.name):
            self._reach()
            for file in service.files:
                name = file_name_of(labels.product, labels.site, service.name, file)
                self._daemon.files.setdefault(name, FakeFile(labels, file.content))
            spec = FakeSpec(service, labels, self.reference(image), image.manifest)
            self._daemon.files[draft_name(service.name)] = FakeFile(labels, spec)

    def create(self, name: str) -> None:
        with self._effect("create", name):
            self._reach()
            if name in self._daemon.services:
                self._own(name)
                return
            spec = self._drafted(name)
            self._daemon.services[name] = FakeService(spec, None, self._now(), dirty=True)
            line = LogLine(name, "2024-01-01T00:00:00Z", "stdout", "begun")
            self._daemon.services[name].log.append(line)

    def update(self, name: str, *, anew: bool) -> None:
        with self._effect("update", name):
            found, spec = self._own(name), self._drafted(name)
            if found.spec.labels.transaction != spec.labels.transaction:
                self._daemon.change(found, replace(spec, force=found.spec.force + int(anew)))

    def put_back(self, name: str, digest: str) -> None:
        with self._effect("put_back", name):
            found = self._own(name)
            if found.before is None or found.before.labels.digest != digest:
                raise TargetError(f"{self._engine.host}: the swarm does not know any more what {name} was before")
            self._daemon.change(found, found.before, back=True)

    def set_aside(self, name: str, transaction: str) -> None:
        with self._effect("set_aside", name):
            if name not in self._daemon.services:
                return
            found = self._own(name)
            if found.spec.aside != transaction:
                self._daemon.change(found, replace(found.spec, aside=transaction))

    def remove(self, name: str) -> None:
        with self._effect("remove", name):
            if name in self._daemon.services:
                self._own(name)
                del self._daemon.services[name]

    def clear(self, keep: Collection[str], transaction: str | None = None) -> None:
        with self._effect("clear", ""):
            self._reach()
            used = {name for one in self._daemon.services.values() for name in _settings(one.spec).files}
            for name, file in list(self._daemon.files.items()):
                made = transaction in (None, file.labels.transaction)
                if made and file.labels.owner == self._engine.owner and name not in used and name not in keep:
                    del self._daemon.files[name]

    def logs(self, name: str, *, follow: bool, since: int | None, tail: int | None) -> Iterator[LogLine]:
        self._reach()
        yield from self._daemon.services[name].log

    def _reach(self) -> None:
        if self._daemon.fault:
            raise TargetError(f"{self._engine.host}: {self._daemon.fault}")

    def _ask_registry(self) -> None:
        if self._daemon.registry_fault:
            raise TargetError(f"{self._engine.host}: {self._daemon.registry_fault}")

    def _own(self, name: str) -> FakeService:
        self._reach()
        found = self._daemon.services.get(name)
        if found is None:
            raise TargetError(f"{self._engine.host}: there is no service {name}")
        self._daemon.settle(found)
        if found.spec.labels.owner != self._engine.owner:
            raise TargetError(f"{self._engine.host}: service {name} is not ours")
        return found

    def _drafted(self, name: str) -> FakeSpec:
        found = self._daemon.files.get(draft_name(name))
        if found is None:
            raise TargetError(f"{self._engine.host}: the draft of service {name} has gone")
        assert isinstance(found.content, FakeSpec)
        return found.content


def _settings(spec: FakeSpec) -> ServiceSettings:
    service = spec.service
    replicas = 0 if spec.aside else service.replicas
    labels = spec.labels
    files = (file_name_of(labels.product, labels.site, service.name, file) for file in service.files)
    return ServiceSettings(
        image=spec.reference,
        replicas=None if service.mode == "global" else replicas,
        command=service.command or (),
        entrypoint=service.entrypoint or (),
        env={key: text.reveal() if isinstance(text, Sealed) else text for key, text in service.env.items()},
        constraints=service.placement.constraints,
        ports=() if spec.aside else tuple(sorted(map(port_text, service.ports))),
        files=tuple(sorted(files)),
        memory=service.memory or 0,
        cpu_millis=service.cpu_millis or 0,
    )
