"""What steps are done with: engines, the site's store, a clock, and where tasks' output goes."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from agent.machines.materials import Materials
from agent.machines.state import KnownDisk
from agent.state import ContainerState
from agent.targets.engine import Engine, LogLine
from agent.targets.hypervisor import Hypervisor
from bundle_format.errors import FlotoError, TargetError
from bundle_format.progress import Progress
from bundle_format.release.deployment import Host
from bundle_format.store import Store

HIDDEN = "[secret]"

SHORTEST_LINE = 8
"""Signs that a line of a longer secret must have to be hidden alone: a brace tells nothing."""


class StoppedError(FlotoError):
    """The person asked to stop."""


class Stop:
    """Whether a person asked to stop.

    A plain flag: the handler of a signal may find that the lock of an Event is held by the very thread that it stopped.
    """

    def __init__(self) -> None:
        self.asked = False
        """Whether what is being done shall end."""
        self.heard = False
        """Whether a person asked at all, in time or too late."""
        self._deaf = False

    def ask(self) -> None:
        """Stop what is being done, by KeyboardInterrupt here; nothing from the second time on."""
        self.heard = True
        if not self._deaf:
            self._deaf = self.asked = True
            raise KeyboardInterrupt

    def disregard(self) -> None:
        """What is done from now on, such as taking back, must come to its end."""
        self._deaf = True
        self.asked = False


class Clock(Protocol):
    """Time as the agent sees it."""

    def time(self) -> float:
        """Unix seconds."""

    def sleep(self, seconds: float) -> None:
        """Wait, or less when the person asks to stop meanwhile."""


class Redactor:
    """Hides secrets in text that is kept or shown; `known` is False where they are not at hand, as after a crash."""

    def __init__(self, secrets: Iterable[str] | None) -> None:
        self.known = secrets is not None
        whole = {secret for secret in secrets or () if secret}
        # Logs come line by line, and so may a key.
        lines = {line.strip() for secret in whole for line in secret.splitlines()}
        self._secrets = sorted(whole | {line for line in lines if len(line) >= SHORTEST_LINE}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text without any secret in it."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text


@dataclass(frozen=True, slots=True)
class Machinery:
    """What steps for machines are done with besides; `connect` reaches a host's engine, or raises TargetError."""

    hypervisors: Mapping[str, Hypervisor]
    connect: Callable[[str], Engine]
    materials: Callable[[Host], Materials]
    remember_disk: Callable[[KnownDisk], None]


@dataclass(frozen=True, slots=True)
class Means:
    """What the steps of one transaction are done with.

    `engines` of machines come and go while these are made and started anew.
    """

    transaction: str
    engines: dict[str, Engine]
    store: Store
    clock: Clock
    progress: Progress
    redact: Redactor
    outputs: Path
    stop: Stop = field(default_factory=Stop)
    machinery: Machinery | None = None

    def engine(self, host: str) -> Engine:
        """The engine of a host; TargetError if it cannot be reached."""
        if host not in self.engines:
            if self.machinery is None:
                raise TargetError(f"{host}: the engine cannot be reached", "Bring it back, then: floto-agent resume")
            self.engines[host] = self.machinery.connect(host)
        return self.engines[host]

    def forget_engine(self, host: str) -> None:
        """Let go of an engine whose machine is about to lose its power."""
        engine = self.engines.pop(host, None)
        if engine:
            engine.close()

    def hypervisor(self, name: str) -> Hypervisor:
        """A hypervisor; TargetError if it could not be reached."""
        if self.machinery is None or name not in self.machinery.hypervisors:
            raise TargetError(f"hypervisor {name} cannot be reached", "Bring it back, then: floto-agent resume")
        return self.machinery.hypervisors[name]

    def materials(self, host: Host) -> Materials:
        """What the machine of a host gets from its site."""
        assert self.machinery is not None
        return self.machinery.materials(host)

    def remember_disk(self, disk: KnownDisk) -> None:
        """Keep that this site has a data disk, and where."""
        assert self.machinery is not None
        self.machinery.remember_disk(disk)

    def pause(self, seconds: float) -> None:
        """Wait; StoppedError when the person asks to stop."""
        self.clock.sleep(seconds)
        self.heed_stop()

    def heed_stop(self) -> None:
        """StoppedError when the person has asked to stop."""
        if self.stop.asked:
            raise StoppedError("stopped, as you asked")

    def bears(self, container: ContainerState) -> bool:
        """Whether this transaction made a container."""
        return container.labels is not None and container.labels.transaction == self.transaction

    @contextmanager
    def output_of(self, task: str) -> Iterator[Callable[[LogLine], None]]:
        """Where a task's lines go; kept only where its secrets are known and hidden. The last run's lines stay."""
        with (self.outputs / f"{self.transaction}-{task}.log").open("w", encoding="utf-8", newline="\n") as file:
            if not self.redact.known:
                file.write("not kept: the agent was interrupted and does not know what to hide; see the engine's log\n")

            def keep(line: LogLine) -> None:
                if self.redact.known:
                    file.write(f"{line.time} {self.redact(line.text)}\n")

            yield keep
