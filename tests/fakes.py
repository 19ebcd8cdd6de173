"""An engine in memory that keeps an engine's promises, on a clock of its own, and can fail at every moment.

A FakeDaemon is the host's side: it survives the agent. A FakeEngine is one agent's connection to it; `hook` is called
before, amid and after each effect and may raise whatever a test wants: a kill, a full disk, a reply that was lost.
"""

import io
import itertools
import json
import posixpath
import re
import shlex
import tarfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from agent.labels import Adopted, Labels, Owner
from agent.state import (
    Checked,
    ContainerState,
    DiskUse,
    EngineFacts,
    EngineState,
    Health,
    ImageState,
    Listener,
    NetworkState,
    Settings,
    Space,
    Status,
    VolumeState,
    chain_ids,
)
from agent.steps import Limits, again_name
from agent.targets.engine import Blobs, LogLine
from bundle_format.digest import Digest, digest_of
from bundle_format.errors import TargetError
from bundle_format.progress import Progress
from bundle_format.release.deployment import Container, Network, Volume
from bundle_format.release.fields import Sealed
from bundle_format.release.fittings import Healthcheck, MemoryMount, Port, VolumeMount
from bundle_format.release.model import Image
from tests.fake_swarm import FakeSwarm, FakeSwarmDaemon

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
FOREVER = 1 << 40
BLINK = 0.05
"""How long a program lives that ends at once."""


class FakeClock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass(frozen=True)
class Moment:
    """When a hook is called: `before` an effect, `amid` a verb of several effects, `after` all of them."""

    when: Literal["before", "amid", "after"]
    verb: str
    subject: str


@dataclass
class FakeImage:
    id: str
    layers: tuple[Digest, ...]
    config: dict[str, Any]
    size: int
    tags: set[str] = field(default_factory=set)
    damaged: bool = False


@dataclass
class FakeContainer:
    id: str
    name: str
    image: str
    wish: Container
    labels: Labels | None
    settings: Settings
    words: tuple[str, ...]
    files: dict[str, bytes]
    started: float = 0.0
    """When its process was started by somebody, 0 for never."""
    stopped: tuple[float, int] | None = None
    """When it was stopped from outside and with which exit code."""
    by_hand: bool = False
    half_started: bool = False
    """Whether the engine died in the middle of its start, and cannot start it any more."""
    killed: bool = False
    """Whether the engine takes the end of such a half for the end of each new start, until it is asked again."""
    log: list[LogLine] = field(default_factory=list)


@dataclass
class FakeVolume:
    labels: Labels | None
    owner: tuple[int, int, int] = (0, 0, 0o755)
    files: dict[str, bytes] = field(default_factory=dict)
    ready: bool = True


class FakeDaemon:
    """The engine of one host: what it holds outlives every agent."""

    def __init__(self, clock: FakeClock, name: str = "one", space: int = 1 << 40) -> None:
        self.clock = clock
        self.up = True
        self.kills = False
        """Whether it kills over and over what it had half started (Docker 26)."""
        self.free = space
        self.facts = EngineFacts(f"id-{name}", name, "20.10.24", (1, 41), "amd64", "classic", "fake", "/fake", 0)
        self.images: dict[str, FakeImage] = {}
        self.containers: dict[str, FakeContainer] = {}
        self.networks: dict[str, NetworkState] = {
            kind: NetworkState(f"net-{kind}", kind, "null" if kind == "none" else kind)
            for kind in ("bridge", "host", "none")
        }
        self.volumes: dict[str, FakeVolume] = {}
        self.taken: set[Listener] = set()
        """What processes of the host listen on."""
        self.numbers = itertools.count(1)
        self.paths: set[str] = set()
        """What lies on the host itself, for its programs `test -e`, `touch` and `rm`."""
        self.swarm = FakeSwarmDaemon(self)

    def crash(self) -> None:
        """The daemon and all its containers die at once."""
        for container in self.containers.values():
            if self.status(container)[0] in ("running", "restarting"):
                container.stopped = (self.clock.now, 137)
        self.up = False

    def boot(self) -> None:
        """The daemon comes back and starts again what its restart policy says."""
        self.up = True
        for container in self.containers.values():
            policy = container.wish.restart
            again = policy == "always" or (policy == "unless-stopped" and not container.by_hand)
            if again and container.started and container.stopped and not container.half_started:
                self.launch(container)

    def find(self, key: str) -> FakeContainer | None:
        named = (container for container in self.containers.values() if container.name == key)
        return self.containers.get(key) or next(named, None)

    def add_foreign(
        self,
        name: str,
        image: str = "",
        ports: tuple[Port, ...] = (),
        *,
        running: bool = True,
        settings: Settings | None = None,
    ) -> str:
        """A container that somebody else made."""
        wish = Container(name=name, host="-", image="-", ports=ports)
        number = f"{next(self.numbers):064x}"
        self.containers[number] = FakeContainer(
            number, name, image, wish, None, settings or Settings(), ("sleep", "inf"), {}
        )
        if running:
            self.launch(self.containers[number])
        return number

    def launch(self, container: FakeContainer) -> None:
        container.started, container.stopped, container.by_hand = self.clock.now, None, False
        for stream, text in self.program(container, container.words)[2]:
            self.write(container, stream, text)
        if container.words[:2] == ("sh", "-c"):
            match shlex.split(container.words[2]):
                case ["echo", text, ">>", path]:
                    self.append(container, path, f"{text}\n".encode())

    def append(self, container: FakeContainer, path: str, content: bytes) -> None:
        """What a program does to a file of a volume."""
        for mount in container.wish.mounts:
            if isinstance(mount, VolumeMount) and path.startswith(mount.path + "/"):
                files = self.volumes[mount.volume].files
                name = path.removeprefix(mount.path + "/")
                files[name] = files.get(name, b"") + content

    def write(self, container: FakeContainer, stream: str, text: str) -> None:
        time = datetime.fromtimestamp(self.clock.now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        container.log.append(LogLine(container.name, time, stream, text))

    def program(self, container: FakeContainer, words: Sequence[str]) -> tuple[float, int, list[tuple[str, str]]]:
        """What a program does: how long it lives, its exit code, what it prints."""
        life, code, lines = BLINK, 0, list[tuple[str, str]]()
        match list(words):
            case ["sleep", time]:
                life = FOREVER if time in ("inf", "infinity") else float(time)
            case ["true"] | ["echo", _, ">>", _]:
                pass  # what the latter writes it writes once, when it is launched
            case ["false"]:
                code = 1
            case ["echo", *rest]:
                lines = [("stdout", " ".join(rest))]
            case ["test", "-f", path]:
                code = int(self.read(container, path) is None)
            case ["cat", path]:
                code, lines = _cat(path, self.read(container, path))
            case ["sh", "-c", script] if script.startswith("exit "):
                code = int(script.removeprefix("exit "))
            case ["sh", "-c", script]:
                life, code, lines = self.program(container, shlex.split(script))
            case _:
                raise TargetError(f"{self.facts.name}: executable file not found: {words}")
        return life, code, lines

    def program_alone(self, words: Sequence[str]) -> tuple[float, int, list[tuple[str, str]]]:
        """What a program does in a container that has nothing but its image."""
        wish = Container(name="-", host="-", image="-")
        return self.program(FakeContainer("-", "-", "-", wish, None, Settings(), tuple(words), {}), words)

    def read(self, container: FakeContainer, path: str) -> bytes | None:
        files, name = self._place(container, path)
        return files.get(name)

    def put(self, container: FakeContainer, path: str, content: bytes) -> None:
        files, name = self._place(container, path)
        files[name] = content

    def _place(self, container: FakeContainer, path: str) -> tuple[dict[str, bytes], str]:
        for mount in container.wish.mounts:
            if isinstance(mount, VolumeMount) and path.startswith(mount.path + "/"):
                return self.volumes[mount.volume].files, path.removeprefix(mount.path + "/")
        return container.files, path

    def status(self, container: FakeContainer) -> tuple[Status, int, int]:
        """Its status, exit code and restarts at this moment."""
        if not container.started:
            return "created", 0, 0
        if container.stopped:
            return "exited", container.stopped[1], 0
        if container.killed:
            return "restarting", 137, 1
        life, code, _ = self.program(container, container.words)
        policy = container.wish.restart
        if policy == "no" or (policy == "on-failure" and code == 0):
            return ("exited", code, 0) if container.started + life <= self.clock.now else ("running", 0, 0)
        moment, pause, restarts = container.started, 0.1, 0
        while (moment := moment + life) <= self.clock.now:
            if (moment := moment + pause) > self.clock.now:
                return "restarting", code, restarts
            pause = 0.1 if life > 10 else min(pause * 2, 60.0)
            restarts += 1
        return "running", 0, restarts

    def health(self, container: FakeContainer) -> Health:
        check = container.wish.healthcheck or _image_check(self.images.get(container.image))
        if check is None or not container.started:
            return "none"
        if self.status(container)[0] != "running":
            return "unhealthy"
        checked = self.checked(container)
        age = self.clock.now - container.started
        if checked is None:
            return "starting"
        if checked.exit_code == 0:
            return "healthy"
        return "unhealthy" if age >= max(check.interval * check.retries, check.start_period) else "starting"

    def checked(self, container: FakeContainer) -> Checked | None:
        """How its last health check ended."""
        check = container.wish.healthcheck or _image_check(self.images.get(container.image))
        if check is None or not container.started or self.clock.now - container.started < check.interval:
            return None
        words = shlex.split(check.test[1]) if check.test[0] == "CMD-SHELL" else list(check.test[1:])
        _, code, lines = self.program(container, words)
        return Checked(code, "".join(f"{text}\n" for _, text in lines))


class FakeEngine:
    """One agent's connection to a FakeDaemon; an Engine."""

    def __init__(
        self, daemon: FakeDaemon, host: str, owner: Owner, hook: Callable[[Moment], None] | None = None
    ) -> None:
        self.host = host
        self.owner = owner
        self._daemon = daemon
        self._adopted = frozenset[Adopted]()
        self._hook = hook or (lambda moment: None)
        self.swarm = FakeSwarm(self, daemon.swarm, daemon.clock.time, self._effect)

    def adopt(self, things: Collection[Adopted]) -> None:
        self._adopted |= {one for one in things if one.host == self.host}

    # What is

    def observe(self) -> EngineState:
        self._reach()
        daemon = self._daemon
        return EngineState(
            host=self.host,
            facts=daemon.facts,
            images=tuple(
                ImageState(image.id, image.layers, tuple(sorted(image.tags)), image.size)
                for image in daemon.images.values()
            ),
            containers=tuple(self._state(container) for container in daemon.containers.values()),
            networks=tuple(daemon.networks.values()),
            volumes=tuple(
                VolumeState(name, "local", volume.ready, volume.labels) for name, volume in daemon.volumes.items()
            ),
            space=Space(daemon.free, 1 << 41),
            listening=frozenset(daemon.taken),
            has_shell=True,
            swarm=self.swarm.observe(),
        )

    def disk(self) -> DiskUse:
        self._reach()
        daemon = self._daemon
        volumes = {name: sum(map(len, volume.files.values())) for name, volume in daemon.volumes.items()}
        return DiskUse(sum(image.size for image in daemon.images.values()), 0, volumes, Space(daemon.free, 1 << 41))

    def inspect(self, container: str) -> ContainerState | None:
        self._reach()
        found = self._daemon.find(container)
        return self._state(found) if found else None

    def check_image(self, image: str) -> bool:
        self._reach()
        return not self._image(image).damaged

    def read_file(self, container: str, path: str, limit: int) -> bytes | None:
        self._reach()
        content = self._daemon.read(self._container(container), path)
        return content if content is not None and len(content) <= limit else None

    def logs(self, container: str, *, follow: bool, since: int | None, tail: int | None) -> Iterator[LogLine]:
        self._reach()
        lines = self._container(container).log
        if since is not None:
            start = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
            lines = [line for line in lines if line.time >= start]
        yield from lines if tail is None else lines[len(lines) - tail :]

    def read_volume(self, name: str) -> Iterator[bytes]:
        self._reach()
        volume = self._daemon.volumes[name]
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            root = tarfile.TarInfo("volume")
            root.type, (root.uid, root.gid, root.mode) = tarfile.DIRTYPE, volume.owner
            archive.addfile(root)
            for path, content in volume.files.items():
                member = tarfile.TarInfo(f"volume/{path}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        yield stream.getvalue()

    # What shall be

    def load_images(self, images: Sequence[Image], blobs: Blobs, progress: Progress) -> dict[Digest, str]:
        for image in images:
            if image.config not in self._daemon.images:
                with self._effect("load_images", image.tag):
                    self._load(image, blobs)
        return {image.config: image.config for image in images}

    def tag(self, image: str, tag: str) -> None:
        with self._effect("tag", tag):
            wanted = self._image(image)
            for held in self._daemon.images.values():
                held.tags.discard(tag)
            wanted.tags.add(tag)

    def remove_image(self, image: str, tags: Sequence[str]) -> None:
        with self._effect("remove_image", image):
            held = self._daemon.images.get(image)
            if held:
                held.tags -= set(tags)
                if not held.tags and not any(used.image == image for used in self._daemon.containers.values()):
                    del self._daemon.images[image]

    def create_container(self, container: Container, name: str, labels: Labels, image: str) -> str:
        with self._effect("create_container", name):
            self._drop_draft(name)
            made = self._make(container, name, labels, self._image(image))
            self._daemon.containers[made.id] = made
            self._hook(Moment("amid", "create_container", name))
            for file in container.files:
                self._daemon.put(made, file.path, file.content)
            return made.id

    def rename(self, container: str, name: str) -> None:
        with self._effect("rename", name):
            found = self._own(container)
            other = self._daemon.find(name)
            if other and other is not found:
                raise TargetError(f"{self.host}: the name {name} is taken")
            found.name = name

    def start(self, container: str) -> None:
        with self._effect("start", container):
            if self._daemon.find(container) is None and self._daemon.find(again_name(container)):
                self._own(again_name(container)).name = container
            found = self._own(container)
            if self._daemon.status(found)[0] in ("running", "restarting"):
                found.killed = False
                return
            for wanted in found.wish.ports:
                self._claim(wanted, found)
            self._daemon.program(found, found.words)
            found.killed = found.half_started and self._daemon.kills
            if found.half_started and not found.killed:
                found = self._made_anew(found)
            found.half_started = True
            try:
                self._hook(Moment("amid", "start", container))
            finally:
                if self._daemon.up:
                    found.half_started = False
                    self._daemon.launch(found)

    def _made_anew(self, found: FakeContainer) -> FakeContainer:
        name, number = found.name, f"{next(self._daemon.numbers):064x}"
        for spare in [other for other in self._daemon.containers.values() if other.name == again_name(name)]:
            del self._daemon.containers[spare.id]
        made = replace(found, id=number, name=again_name(name), started=0.0, stopped=None, half_started=False, log=[])
        self._daemon.containers[number] = made
        self._hook(Moment("amid", "start", made.name))
        del self._daemon.containers[found.id]
        self._hook(Moment("amid", "start", made.name))
        made.name = name
        return made

    def update(self, container: str, limits: Limits) -> None:
        with self._effect("update", container):
            found = self._own(container)
            now = found.settings
            given = {"memory": limits.memory or now.memory, "cpu_millis": limits.cpu_millis or now.cpu_millis}
            found.settings = replace(now, restart=limits.restart, **given)
            found.wish = found.wish.model_copy(update={"restart": limits.restart})

    def stop(self, container: str, grace: int) -> None:
        with self._effect("stop", container):
            if self._daemon.find(container) is None:
                return
            found = self._own(container)
            if self._daemon.status(found)[0] in ("running", "restarting"):
                self._daemon.clock.sleep(grace)
                found.stopped, found.by_hand = (self._daemon.clock.now, 137), True

    def remove(self, container: str) -> None:
        with self._effect("remove", container):
            if self._daemon.find(container) is None:
                return
            found = self._own(container)
            if self._daemon.status(found)[0] in ("running", "restarting"):
                raise TargetError(f"{self.host}: container {found.name} still runs")
            del self._daemon.containers[found.id]

    def run_task(self, container: str, deadline: int, output: Callable[[LogLine], None]) -> int:
        with self._effect("run_task", container):
            found = self._own(container)
            if found.wish.restart != "no":
                raise TargetError(f"{self.host}: task {found.name} would be restarted")
            if found.half_started:
                raise TargetError(f"{self.host}: id already in use")
            if not found.started:
                self._daemon.launch(found)
                self._hook(Moment("amid", "run_task", container))
            life = self._daemon.program(found, found.words)[0]
            left = found.started + life - self._daemon.clock.now
            if found.stopped is None and left > deadline:
                self._daemon.clock.sleep(deadline)
                found.stopped = (self._daemon.clock.now, 137)
                raise TargetError(f"{self.host}: task {found.name} has not ended after {deadline} s")
            self._daemon.clock.sleep(max(left, 0))
            for line in found.log:
                output(line)
            return self._daemon.status(found)[1]

    def run_on_host(self, command: Sequence[str], deadline: int, output: Callable[[str], None]) -> int:
        paths = self._daemon.paths
        match command:
            case ["test", "-e", path]:
                self._reach()
                return 0 if path in paths else 1
            case ["touch" | "rm", path]:
                with self._effect("run_on_host", " ".join(command)):
                    (paths.add if command[0] == "touch" else paths.discard)(path)
                    return 0
            case ["echo", *words]:
                output(" ".join(words))
                return 0
            case ["false"]:
                return 1
            case ["sleep", seconds] if int(seconds) > deadline:
                raise TargetError(f"{self.host}: {' '.join(command)} has not ended after {deadline} s")
        output(f"{command[0]}: not found")
        return 127

    def ensure_network(self, network: Network, labels: Labels) -> None:
        with self._effect("ensure_network", network.name):
            found = self._daemon.networks.get(network.name)
            if found:
                self._check_owner("network", network.name, found.id, found.labels)
                return
            self._daemon.networks[network.name] = NetworkState(
                f"net-{next(self._daemon.numbers)}",
                network.name,
                network.driver,
                network.subnet or "172.18.0.0/16",
                network.gateway or "172.18.0.1",
                network.internal,
                labels,
            )

    def remove_network(self, name: str) -> None:
        with self._effect("remove_network", name):
            found = self._daemon.networks.get(name)
            if found is None:
                return
            self._check_owner("network", name, found.id, found.labels)
            for container in self._daemon.containers.values():
                if name in container.settings.networks and self._state(container).running:
                    raise TargetError(f"{self.host}: network {name} is in use")
            del self._daemon.networks[name]

    def ensure_volume(self, volume: Volume, labels: Labels) -> None:
        with self._effect("ensure_volume", volume.name):
            found = self._daemon.volumes.get(volume.name)
            if found is None:
                found = self._daemon.volumes[volume.name] = FakeVolume(labels, ready=False)
                self._hook(Moment("amid", "ensure_volume", volume.name))
            self._check_owner("volume", volume.name, volume.name, found.labels)
            if not found.ready:
                uid, gid, mode = found.owner
                found.owner = (
                    uid if volume.uid is None else volume.uid,
                    gid if volume.gid is None else volume.gid,
                    mode if volume.mode is None else volume.mode,
                )
                found.ready = True

    def remove_volume(self, name: str) -> None:
        with self._effect("remove_volume", name):
            found = self._daemon.volumes.get(name)
            if found is None:
                return
            self._check_owner("volume", name, name, found.labels)
            for container in self._daemon.containers.values():
                if any(isinstance(mount, VolumeMount) and mount.volume == name for mount in container.wish.mounts):
                    raise TargetError(f"{self.host}: volume {name} is in use")
            del self._daemon.volumes[name]

    def write_volume(self, name: str, content: Iterator[bytes]) -> None:
        with self._effect("write_volume", name):
            volume = self._daemon.volumes[name]
            self._check_owner("volume", name, name, volume.labels)
            stream = io.BytesIO(b"".join(content))
            volume.files.clear()
            self._hook(Moment("amid", "write_volume", name))
            with tarfile.open(fileobj=stream) as archive:
                for member in archive:
                    if member.isfile():
                        volume.files[member.name.removeprefix("volume/")] = archive.extractfile(member).read()  # type: ignore[union-attr]

    def close(self) -> None:
        """Nothing to let go of."""

    # How

    def _reach(self) -> None:
        if not self._daemon.up:
            raise TargetError(f"{self.host}: the engine cannot be reached")

    @contextmanager
    def _effect(self, verb: str, subject: str) -> Iterator[None]:
        self._hook(Moment("before", verb, subject))
        self._reach()
        yield
        self._hook(Moment("after", verb, subject))
        self._reach()

    def _container(self, key: str) -> FakeContainer:
        found = self._daemon.find(key)
        if found is None:
            raise TargetError(f"{self.host}: there is no container {key}")
        return found

    def _own(self, key: str) -> FakeContainer:
        found = self._container(key)
        self._check_owner("container", found.name, found.id, found.labels)
        return found

    def _check_owner(
        self, kind: Literal["container", "network", "volume"], name: str, key: str, labels: Labels | None
    ) -> None:
        if labels is None and Adopted(host=self.host, kind=kind, key=key) in self._adopted:
            return
        if labels is None or labels.owner != self.owner:
            raise TargetError(f"{self.host}: {kind} {name} is not ours")

    def _image(self, key: str) -> FakeImage:
        if key not in self._daemon.images:
            raise TargetError(f"{self.host}: there is no image {key}")
        return self._daemon.images[key]

    def _load(self, image: Image, blobs: Blobs) -> None:
        held = {chain for other in self._daemon.images.values() for chain in chain_ids(other.layers)}
        missing = [
            layer for layer, chain in zip(image.layers, chain_ids(image.layers), strict=True) if chain not in held
        ]
        with blobs.open(image.config) as stream:
            text = stream.read()
        for layer in missing:
            with blobs.open(layer) as stream:
                content = stream.read()
            if digest_of(content) != layer or digest_of(text) != image.config:
                raise TargetError(f"{self.host}: image {image.tag} is not what was signed")
            if len(content) > self._daemon.free:
                raise TargetError(f"{self.host}: no space left on device")
            self._daemon.free -= len(content)
        self._hook(Moment("amid", "load_images", image.tag))
        config = json.loads(text)
        self._daemon.images[image.config] = FakeImage(image.config, image.layers, config["config"], image.size)

    def _make(self, wish: Container, name: str, labels: Labels, image: FakeImage) -> FakeContainer:
        if not NAME.fullmatch(name):
            raise TargetError(f"{self.host}: invalid container name {name!r}")
        if self._daemon.find(name):
            raise TargetError(f"{self.host}: the name {name} is taken")
        networks = tuple(sorted(place.network for place in wish.networks)) or (wish.network_mode,)
        volumes = tuple(mount.volume for mount in wish.mounts if isinstance(mount, VolumeMount))
        for kind, wanted, held in (
            ("network", networks, self._daemon.networks),
            ("volume", volumes, self._daemon.volumes),
        ):
            for missing in set(wanted) - set(held):
                raise TargetError(f"{self.host}: there is no {kind} {missing}")
        entrypoint = wish.entrypoint if wish.entrypoint is not None else tuple(image.config.get("Entrypoint", ()))
        inherited = () if wish.entrypoint else tuple(image.config.get("Cmd", ()))
        command = wish.command or inherited
        env = dict(line.split("=", 1) for line in image.config.get("Env", ()))
        env |= {key: text.reveal() if isinstance(text, Sealed) else text for key, text in wish.env.items()}
        settings = Settings(
            command=command,
            entrypoint=entrypoint,
            env=env,
            user=wish.user or image.config.get("User", ""),
            workdir=posixpath.normpath(wish.workdir) if wish.workdir else image.config.get("WorkingDir", ""),
            restart=wish.restart,
            memory=wish.memory or 0,
            cpu_millis=wish.cpu_millis or 0,
            privileged=wish.privileged,
            read_only=wish.read_only,
            networks=networks,
            mounts=tuple(sorted(_mount_text(mount) for mount in wish.mounts)),
        )
        files = {"/etc/motd": b"image\n", "/srv/www/index.html": b"image\n"}
        number = f"{next(self._daemon.numbers):064x}"
        return FakeContainer(number, name, image.id, wish, labels, settings, entrypoint + command, files)

    def _drop_draft(self, name: str) -> None:
        found = self._daemon.find(name)
        if found and found.labels and found.labels.owner == self.owner and not found.started:
            del self._daemon.containers[found.id]

    def _claim(self, wanted: Port, by: FakeContainer) -> None:
        held = {(listener.protocol, listener.port) for listener in self._daemon.taken} | {
            (port.protocol, port.host)
            for other in self._daemon.containers.values()
            if other is not by and self._daemon.status(other)[0] in ("running", "restarting")
            for port in other.wish.ports
        }
        if (wanted.protocol, wanted.host) in held:
            raise TargetError(f"{self.host}: port {wanted.host} is already allocated")

    def _state(self, container: FakeContainer) -> ContainerState:
        status, code, restarts = self._daemon.status(container)
        return ContainerState(
            id=container.id,
            name=container.name,
            image=container.image,
            status=status,
            health=self._daemon.health(container),
            checked=self._daemon.checked(container),
            restarts=restarts,
            exit_code=code,
            started=int(container.started),
            labels=container.labels,
            ports=container.wish.ports,
            settings=container.settings,
        )


def _cat(path: str, content: bytes | None) -> tuple[int, list[tuple[str, str]]]:
    if content is None:
        return 1, [("stderr", f"cat: can't open '{path}': No such file or directory")]
    return 0, [("stdout", line) for line in content.decode().splitlines()]


def _mount_text(mount: Any) -> str:
    if isinstance(mount, MemoryMount):
        return f"tmpfs::{mount.path}:rw"
    source = mount.volume if isinstance(mount, VolumeMount) else mount.source
    return f"{mount.kind}:{source}:{mount.path}:{'ro' if mount.read_only else 'rw'}"


def _image_check(image: FakeImage | None) -> Healthcheck | None:
    check = image.config.get("Healthcheck") if image else None
    if not check:
        return None
    return Healthcheck(test=tuple(check["Test"]), interval=check.get("Interval", 30 * 10**9) // 10**9)
