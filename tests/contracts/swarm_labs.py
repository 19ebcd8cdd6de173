"""What the contract of a swarm is tried on: the fake, and a real one of one node with a real registry beside it."""

from contextlib import ExitStack
from typing import Protocol

from agent.labels import Labels, Owner, labels_of
from agent.state import EngineState
from agent.swarm.state import ServiceState
from agent.targets.docker.engine import DockerEngine
from agent.targets.engine import Engine
from bundle_format.progress import Silence
from bundle_format.release.deployment import Access, Deployment
from bundle_format.release.late import substitute
from bundle_format.release.model import Image
from bundle_format.release.service import Service
from tests.contracts.labs import OWNER
from tests.engines import PrivateEngine
from tests.fakes import FakeClock, FakeDaemon, FakeEngine
from tests.images import Shelf
from tests.registries import PrivateRegistry


class SwarmLab(Protocol):
    """A swarm from outside."""

    def engine(self, owner: Owner = OWNER) -> Engine: ...

    def pass_time(self, seconds: float) -> None: ...


class FakeSwarmLab:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.daemon = FakeDaemon(self.clock)
        self.daemon.swarm.init()

    def engine(self, owner: Owner = OWNER) -> Engine:
        return FakeEngine(self.daemon, "one", owner)

    def pass_time(self, seconds: float) -> None:
        self.clock.sleep(seconds)


class RealSwarmLab:
    def __init__(self, private: PrivateEngine, registry: PrivateRegistry, closing: ExitStack) -> None:
        self.private = private
        self._registry = registry
        self._closing = closing

    def engine(self, owner: Owner = OWNER) -> Engine:
        access = Access(engine=self.private.address, registry=f"http://{self._registry.host}")
        engine = DockerEngine("one", access, owner)
        self._closing.callback(engine.close)
        return engine

    def clear(self) -> None:
        for kind in ("service", "config", "secret"):
            if names := self.private.docker(kind, "ls", "--quiet").split():
                self.private.docker(kind, "rm", *names)

    def pass_time(self, seconds: float) -> None:
        import time

        time.sleep(seconds)


def service(**fields: object) -> Service:
    """A service of the product, quick in everything."""
    quick = {"stop_grace": 0, "update": {"monitor": 1}, "restart": {"delay": 0}}
    tree = {"name": "web", "host": "one", "image": "web", **quick, **fields}
    return Service.model_validate(substitute(tree, {}, b""))


def place(engine: Engine, shelf: Shelf, wanted: Service, image: Image, transaction: str = "t1") -> Labels:
    """Have all ready that a service stands on, and its draft."""
    deployment = Deployment.model_construct(
        product="shop", version="2024.3", site="krakow-1", images={"web": image}, hosts={}, services={"web": wanted}
    )
    labels = labels_of(deployment, wanted, "one", transaction)
    engine.swarm.push([image], shelf, Silence())
    engine.swarm.draft(wanted, labels, image)
    return labels


def run(lab: SwarmLab, engine: Engine, shelf: Shelf, wanted: Service, image: Image) -> ServiceState:
    """A service that is up."""
    place(engine, shelf, wanted, image)
    engine.swarm.create(wanted.name)
    return until(lab, engine)


def until(lab: SwarmLab, engine: Engine, name: str = "web") -> ServiceState:
    """Let time pass until a service is well, and the swarm done with it or, as it does not say so, long enough well."""
    quiet = 0
    for _ in range(400):
        state = engine.swarm.service(name)
        quiet = quiet + 1 if state and state.well else 0
        if state and state.well and (state.settled or quiet > 12):
            return state
        lab.pass_time(0.25)
    raise AssertionError(f"{name} never became well: {state}")


def drafts(state: EngineState) -> set[str]:
    return {name for name in state.swarm.files if name.endswith(".floto-new")}
