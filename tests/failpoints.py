"""Every moment at which an apply can be cut short, and what must hold however it was.

A run of the agent is watched at each of its outside effects: before, amid and after verbs of an engine, records of the
journal, files of the state folder. At one of them a Blow is dealt; then everything stands still, as after kill -9.
"""

import copy
import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from agent import history as histories
from agent import interlude as interludes
from agent.applying import journal as journals
from agent.applying.journal import read_course
from agent.history import Receipt
from agent.steps import Plan
from bundle_format.errors import FlotoError, TargetError
from bundle_format.release.deployment import Deployment
from tests.fakes import Moment
from tests.sites import FakeSite

Blow = Literal["kill", "power", "refuse", "full"]
"""kill: the agent dies; power: the engine with it; refuse: the engine says no, or yes unheard; full: no space left."""


class KilledError(BaseException):
    """kill -9: nothing handles it."""


@dataclass
class Watch:
    """Counts moments and deals a blow at those whose numbers are given."""

    site: FakeSite
    blows: dict[int, Blow] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    dead: bool = False

    def __call__(self, moment: Moment) -> None:
        if self.dead:
            raise KilledError
        number = len(self.moments)
        self.moments.append(moment)
        blow = self.blows.get(number)
        if blow is None:
            return
        disk = moment.verb in ("journal", "file")
        if blow == "refuse" and not disk:
            raise TargetError("one: the engine cannot be reached")
        if blow == "full" and disk:
            raise OSError(errno.ENOSPC, "No space left on device")
        if blow in ("kill", "power"):
            self.dead = True
            if blow == "power":
                self.site.daemons["one"].crash()
            raise KilledError


@contextmanager
def watched(site: FakeSite, blows: dict[int, Blow] | None = None) -> Iterator[Watch]:
    """Run the agent in the block under a watch; what the blows leave of it stays."""
    watch = Watch(site, blows or {})
    write, replace, forget = journals._write_all, journals.replace_private, interludes._forget

    def write_all(descriptor: int, content: bytes) -> None:
        watch(Moment("before", "journal", ""))
        half = len(content) // 2
        write(descriptor, content[:half])
        watch(Moment("amid", "journal", ""))
        write(descriptor, content[half:])
        watch(Moment("after", "journal", ""))

    def replace_private(path: Path, content: bytes) -> None:
        watch(Moment("before", "file", path.name))
        replace(path, content)
        watch(Moment("after", "file", path.name))

    def remove(path: Path) -> None:
        watch(Moment("before", "file", path.name))
        forget(path)
        watch(Moment("after", "file", path.name))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journals, "_write_all", write_all)
        patch.setattr(journals, "replace_private", replace_private)
        patch.setattr(histories, "replace_private", replace_private)
        patch.setattr(interludes, "replace_private", replace_private)
        patch.setattr(interludes, "_forget", remove)
        with suppress(KilledError, FlotoError, OSError):
            yield watch


@dataclass(frozen=True)
class Scene:
    """A site on which release 1 runs, ready to be copied, and release 2 to be applied to it."""

    site: FakeSite
    one: Deployment
    two: Deployment
    healthy: bool

    def copy(self, root: Path) -> "Scene":
        """The same in another place, so that one can be spoilt after the other."""
        shutil.copytree(self.site.folder.root, root / "state", symlinks=True)
        daemons = copy.deepcopy(self.site.daemons)
        site = FakeSite(root)
        site.daemons = daemons
        site.clock = daemons["one"].clock
        return Scene(site, self.one, self.two, self.healthy)


DATA = [{"kind": "volume", "volume": "data", "path": "/data"}]
CHECK = {"test": ["CMD", "true"], "interval": 1, "retries": 1}


def make_scene(root: Path, *, healthy: bool) -> Scene:
    """A database, a front, a worker that goes, a cache that comes, a keeper that grows, a migration, a host's step."""
    site = FakeSite(root)

    def release(version: str, front: dict[str, Any], **containers: Any) -> Deployment:
        migrate = {
            "image": "db",
            "command": ["sh", "-c", f"echo {version} >> /data/log"],
            "mounts": DATA,
            "after": ["db"],
        }
        room = f"/room{version}"
        step = {"name": "room", "host": "one", "run": ["touch", room], "unless": ["test", "-e", room]}
        return site.deployment(
            version,
            images={
                "keeper": site.image("keeper"),
                **{name: site.image(name, version) for name in ("db", "front", *containers)},
            },
            networks={"net": {}, f"net{version}": {}},
            volumes={"data": {}},
            containers={
                "db": {"mounts": DATA, "networks": [{"network": "net"}], "healthcheck": CHECK},
                "front": {
                    "after": ["migrate"], "ports": [{"container": 80, "host": 8080}],
                    "networks": [{"network": f"net{version}"}], "health_deadline": 5, **front,
                },
                "keeper": {"memory": int(version) << 26},
                **containers,
            },
            tasks={"migrate": {"container": migrate, "reversible": False, "backup": ["data"]}},
            host_steps={"room": {**step, "undo": ["rm", room]}},
        )  # fmt: skip

    one = release("1", {"healthcheck": CHECK}, worker={})
    site.apply(one)
    check = CHECK if healthy else {**CHECK, "test": ["CMD", "false"]}
    return Scene(site, one, release("2", {"healthcheck": check}, cache={}), healthy)


RUNNING = {
    "1": {"db": "shop/db:1", "front": "shop/front:1", "worker": "shop/worker:1", "keeper": "shop/keeper:1"},
    "2": {"db": "shop/db:2", "front": "shop/front:2", "cache": "shop/cache:2", "keeper": "shop/keeper:1"},
}


def check_invariants(scene: Scene) -> str:
    """The version that runs; AssertionError unless it does so wholly, alone, as recorded, and can be left again."""
    site = scene.site
    course = read_course(site.folder.journal)
    assert course is None or course.outcome is not None, f"the journal is open in phase {course.phase}"
    running = site.running()
    version = next((version for version, wanted in RUNNING.items() if running == wanted), None)
    assert version, f"no release runs wholly and alone: {running}"
    assert site.names() == {*RUNNING[version], "migrate"}, "something was left behind"
    log = site.daemons["one"].volumes["data"].files.get("log", b"").decode().split()
    assert log == ["1", "2"][: int(version)], f"the migrations of {version} are {log}"
    current = site.history.current
    assert current
    assert current.undertaking.source.version == version, "the receipts name another release"
    deployment = scene.one if version == "1" else scene.two
    assert site.plan(deployment) == Plan(), "the site is not what its release says"
    for image in scene.one.images.values():
        assert image.config in site.daemons["one"].images, "the previous release could not be started any more"
        assert all(digest in site.store for digest in (image.config, image.manifest, *image.layers))
    return version


def boot(scene: Scene) -> None:
    """Start the engine again if its power failed."""
    if not scene.site.daemons["one"].up:
        scene.site.daemons["one"].boot()


def settle_and_check(scene: Scene) -> str:
    """What the next start of the agent makes of the site; the version that runs then. Nothing more is left to do."""
    boot(scene)
    with suppress(FlotoError):
        scene.site.resume()
    with watched(scene.site) as watch:
        assert scene.site.resume() is None
    assert watch.moments == [], "a second resume found something to do"
    version = check_invariants(scene)
    assert ("/room2" in scene.site.daemons["one"].paths) == (version == "2"), "the host is not as its release says"
    return version


def update(scene: Scene, watch: Watch) -> Receipt | None:
    return scene.site.apply(scene.two, hook=watch)
