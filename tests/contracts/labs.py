"""What the contract of an engine is tried on: the fake, and real ones, behind the same few handles."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol

from agent.labels import Labels, Owner
from agent.state import ContainerState, NetworkState
from agent.targets.docker.engine import DockerEngine
from agent.targets.engine import Engine
from bundle_format.release.deployment import Access, Container
from bundle_format.release.fittings import Port
from bundle_format.release.model import Image
from tests.engines import PrivateEngine
from tests.fakes import FakeClock, FakeDaemon, FakeEngine, FakeVolume
from tests.images import Shelf, busybox_layer, layer, make_image

OWNER = Owner("shop", "krakow-1")
BASE = busybox_layer()


class Lab(Protocol):
    """An engine's host from outside: what operators, other people and time do to it."""

    def engine(self, owner: Owner = OWNER) -> Engine: ...

    def add_foreign(self, name: str, port: int | None = None) -> str: ...

    def add_foreign_grounds(self, network: str, volume: str) -> None: ...

    def damage(self, image: str) -> None: ...

    def die_amid_start(self, container: str) -> None: ...

    def pass_time(self, seconds: float) -> None: ...


class FakeLab:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.daemon = FakeDaemon(self.clock)

    def engine(self, owner: Owner = OWNER) -> Engine:
        return FakeEngine(self.daemon, "one", owner)

    def add_foreign(self, name: str, port: int | None = None) -> str:
        ports = (Port(container=80, host=port),) if port else ()
        return self.daemon.add_foreign(name, ports=ports)

    def add_foreign_grounds(self, network: str, volume: str) -> None:
        self.daemon.networks[network] = NetworkState(f"net-{network}", network, "bridge")
        self.daemon.volumes[volume] = FakeVolume(None)

    def damage(self, image: str) -> None:
        self.daemon.images[image].damaged = True

    def die_amid_start(self, container: str) -> None:
        found = self.daemon.find(container)
        assert found
        found.half_started = True

    def pass_time(self, seconds: float) -> None:
        self.clock.sleep(seconds)


class RealLab:
    def __init__(self, private: PrivateEngine, closing: ExitStack) -> None:
        self.private = private
        self._closing = closing

    def engine(self, owner: Owner = OWNER) -> Engine:
        engine = DockerEngine("one", Access(engine=self.private.address), owner)
        self._closing.callback(engine.close)
        return engine

    def clear(self) -> None:
        """Leave the engine as if it were new, for that takes less time than a new one."""
        for listed, removal in (
            ("ps --all --quiet", "rm --force"),
            ("volume ls --quiet", "volume rm"),
            ("network ls --quiet --filter type=custom", "network rm"),
            ("images --all --quiet --no-trunc", "rmi --force"),
        ):
            if names := self.private.docker(*listed.split()).split():
                self.private.docker(*removal.split(), *dict.fromkeys(names))

    def add_foreign(self, name: str, port: int | None = None) -> str:
        self.private.docker("import", "-", "foreign:1", content=BASE)
        published = ("--publish", f"{port}:80") if port else ()
        return self.private.docker("run", "--detach", "--name", name, *published, "foreign:1", "sleep", "infinity")

    def add_foreign_grounds(self, network: str, volume: str) -> None:
        self.private.docker("network", "create", network)
        self.private.docker("volume", "create", volume)

    def damage(self, image: str) -> None:
        data = self.private.folder / "data"
        for content in data.glob("**/etc/motd"):
            content.write_text("rotten", encoding="ascii")
        # What containerd unpacked is never read back; what it was sent is.
        for content in data.glob("**/io.containerd.content.v1.content/blobs/sha256/*"):
            if content.stat().st_size > 1 << 20:
                content.write_bytes(b"rotten".ljust(content.stat().st_size, b"!"))

    def die_amid_start(self, container: str) -> None:
        self.private.die_amid_start(container)

    def pass_time(self, seconds: float) -> None:
        time.sleep(seconds)


def small_image(shelf: Shelf, tag: str = "shop/web:1", **config: object) -> Image:
    """A busybox with a page of its own on top, named after its tag."""
    return make_image(
        shelf, tag, [BASE, layer({"srv/www/tag": tag.encode()})], **{"Cmd": ["sleep", "infinity"], **config}
    )


def web(**fields: object) -> Container:
    """A container of the product, quick to stop."""
    return Container.model_validate({"name": "web", "host": "one", "image": "web", "stop_grace": 0, **fields})


def labels(name: str = "web", transaction: str = "t1") -> Labels:
    return Labels("shop", "krakow-1", "one", name, "2024.3", "{}", "sha256:0", transaction)


def wait_for(lab: Lab, engine: Engine, name: str, wanted: Callable[[ContainerState], bool]) -> ContainerState:
    """Let time pass until a container is as wanted."""
    for _ in range(100):
        state = engine.inspect(name)
        if state and wanted(state):
            return state
        lab.pass_time(0.25)
    raise AssertionError(f"{name} never became as wanted: {state}")
