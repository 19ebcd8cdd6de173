"""A site of engines in memory with a product on it, for tests that plan and apply without a real engine."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.applying.apply import apply, undertaking_of
from agent.applying.means import Machinery, Means, Redactor, Stop
from agent.applying.settle import settle
from agent.applying.transaction import Conduct
from agent.folder import open_folder
from agent.history import History, Receipt, Source, Undertaking, read_history
from agent.labels import Owner
from agent.machines.known import remember_disk
from agent.machines.materials import Workshop, address_of
from agent.observe import observe
from agent.planning.adoption import with_adopted
from agent.planning.plan import make_plan
from agent.planning.view import View, Wishes
from agent.state import SiteState
from agent.steps import Plan
from agent.targets.engine import Engine
from bundle_format.errors import TargetError
from bundle_format.progress import Silence
from bundle_format.release.deployment import Access, Deployment, Host
from bundle_format.release.late import substitute
from bundle_format.release.model import Image, Release, Variant
from bundle_format.store import Store
from tests.bundles import Shelved
from tests.fake_hypervisor import FakeBox, FakeHypervisor
from tests.fakes import FakeClock, FakeDaemon, FakeEngine, Moment
from tests.images import layer, make_image

OWNER = Owner("shop", "krakow-1")
NOTHING = Wishes()
Hook = Callable[[Moment], None]


class FakeSite:
    """Hosts with an engine each, and the state folder of the agent that looks after them."""

    def __init__(self, root: Path, *hosts: str) -> None:
        self.clock = FakeClock()
        self.daemons = {host: FakeDaemon(self.clock, host) for host in hosts or ("one",)}
        self.folder = open_folder(root / "state")
        self.store = Store(self.folder.store, threads=1)
        self.remembered: list[Source] = []
        self.conduct = Conduct(at_once=1)
        self.stop = Stop()
        self.box: FakeBox | None = None

    def image(self, name: str, version: str = "1", **config: object) -> Image:
        """A small image in the site's store; its programs are those that a FakeDaemon knows."""
        content = layer({f"app/{name}": f"{name} {version}".encode()})
        return make_image(
            Shelved(self.store), f"shop/{name}:{version}", [content], **{"Cmd": ["sleep", "inf"], **config}
        )

    def deployment(self, version: str = "2024.1", **trees: Any) -> Deployment:
        """A deployment from trees of its values; names, and hosts where there is one, are filled in."""
        first = next(iter(self.daemons), "")
        for kind in ("networks", "volumes", "containers", "services"):
            trees[kind] = {name: {"name": name, **tree} for name, tree in trees.get(kind, {}).items()}
        for kind in ("containers", "services"):
            trees[kind] = {name: {"host": first, "image": name, **tree} for name, tree in trees[kind].items()}
        for name, task in trees.setdefault("tasks", {}).items():
            container = {"name": name, "host": first, "image": name, "restart": "no", **task["container"]}
            trees["tasks"][name] = {**task, "container": container}
        access = {host: Access(engine=f"unix:///run/{host}.sock", registry="registry:5000") for host in self.daemons}
        hosts = {host: {"name": host, "access": access[host]} for host in self.daemons}
        hosts |= {name: {"name": name, **substitute(tree, {}, b"")} for name, tree in trees.pop("hosts", {}).items()}
        named = {"product": "shop", "version": version, "site": "krakow-1", "choices": {}, "hosts": hosts}
        return Deployment.model_validate({**named, **substitute(trees, {}, b"")})

    def engines(self, hook: Hook | None = None) -> dict[str, FakeEngine]:
        return {host: FakeEngine(daemon, host, OWNER, hook) for host, daemon in self.daemons.items()}

    def engine(self, host: Host, hook: Hook | None = None) -> FakeEngine:
        """The engine of a host, as the agent connects to it; TargetError where none answers."""
        if host.name in self.daemons:
            return FakeEngine(self.daemons[host.name], host.name, OWNER, hook)
        address = address_of(host)
        daemon = self.box.daemon_at(address) if self.box and address else None
        if daemon is None:
            raise TargetError(f"{host.name}: the engine cannot be reached")
        return FakeEngine(daemon, host.name, OWNER, hook)

    def hypervisors(self, hook: Hook | None = None) -> dict[str, FakeHypervisor]:
        return {self.box.name: FakeHypervisor(self.box, OWNER, hook)} if self.box else {}

    def observe(self, deployment: Deployment | None = None) -> SiteState:
        engines, silent = self.reached(deployment.hosts if deployment else {})
        return observe(engines, silent, deployment, self.hypervisors())

    def reached(self, hosts: Mapping[str, Host], hook: Hook | None = None) -> tuple[dict[str, Engine], dict[str, str]]:
        """The engines that answer, and what was wrong with the others."""
        engines: dict[str, Engine] = dict(self.engines(hook))
        silent = {}
        for name, host in hosts.items():
            try:
                engines[name] = self.engine(host, hook)
            except TargetError as error:
                silent[name] = error.message
        return engines, silent

    @property
    def history(self) -> History:
        return read_history(self.folder)

    def plan(self, deployment: Deployment, wishes: Wishes = NOTHING) -> Plan:
        return make_plan(deployment, self.observe(deployment), self.history, wishes)

    def source(self, deployment: Deployment) -> Source:
        """As if a bundle had brought the deployment."""
        release = Release(
            product="shop",
            version=deployment.version,
            evaluator="-",
            sources={},
            variants=(Variant(when={}, objects={}),),
        )
        digest = self.store.add_bytes(release.to_json()).digest
        return Source(
            product="shop", site="krakow-1", version=deployment.version, release=digest, index=digest,
            site_file=self.store.add_bytes(b"").digest, folder="/", channel="stable", sequence=1, issued=0,
        )  # fmt: skip

    def undertaking(self, deployment: Deployment, plan: Plan, **options: Any) -> Undertaking:
        number = self.history.next_number
        return undertaking_of(
            deployment, self.source(deployment), plan, number=number, transaction=f"t{number}", operation="apply",
            agent="0", begun=int(self.clock.now), **options,
        )  # fmt: skip

    def apply(
        self, deployment: Deployment, wishes: Wishes = NOTHING, hook: Hook | None = None, **options: Any
    ) -> Receipt | None:
        """What the command does: settle, plan, carry out; None where there is nothing to do."""
        self.resume(hook)
        plan = self.plan(deployment, wishes)
        assert plan.obstacles == (), plan.obstacles
        if not plan.steps:
            return None
        adopted = with_adopted(View(deployment, self.observe(deployment), self.history, wishes)).adopted
        undertaking = self.undertaking(deployment, plan, adopted=adopted, **options)
        with self.means(undertaking, hook) as means:
            return apply(
                undertaking,
                deployment,
                self.folder,
                means,
                conduct=self.conduct,
                remember=self.remembered.append,
                stage=lambda: None,
            )

    def resume(self, hook: Hook | None = None, *, back: bool = False, revert: Collection[str] = ()) -> Receipt | None:
        return settle(
            self.folder,
            lambda undertaking: self.means(undertaking, hook),
            self.conduct,
            self.remembered.append,
            back=back,
            revert=revert,
        )

    @contextmanager
    def means(self, undertaking: Undertaking, hook: Hook | None = None) -> Iterator[Means]:
        machinery = Machinery(
            self.hypervisors(hook),
            lambda host: self.engine(undertaking.hosts[host], hook),
            Workshop(self.folder.machines, lambda: 1_700_000_000).materials,
            lambda disk: remember_disk(self.folder, disk),
        )
        engines, _ = self.reached(undertaking.hosts, hook)
        for engine in engines.values():
            engine.adopt(undertaking.adopted)
        yield Means(
            undertaking.transaction,
            engines,
            self.store,
            self.clock,
            Silence(),
            Redactor(()),
            self.folder.tasks,
            self.stop,
            machinery=machinery if self.box else None,
        )

    def running(self, host: str = "one") -> dict[str, str]:
        """Name and image tag of all that runs on a host."""
        return {
            found.name: ",".join(self.daemons[host].images[found.image].tags)
            for found in self.observe().engines[host].containers
            if found.running
        }

    def names(self, host: str = "one") -> set[str]:
        return {container.name for container in self.daemons[host].containers.values()}
