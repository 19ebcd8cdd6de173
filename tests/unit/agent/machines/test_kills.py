"""An apply that makes a machine anew and is cut short at any moment ends right: one machine, its disk, all its rows."""

import copy
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest

from agent.applying import machines as placing
from agent.applying.journal import read_course
from agent.machines.known import known_disks
from agent.steps import Plan
from bundle_format.errors import FlotoError
from tests.failpoints import Blow, watched
from tests.fakes import FakeClock
from tests.machine_sites import ADDRESS, CHECK, MachineSite
from tests.sites import FakeSite

UNWELL = {"healthcheck": {**CHECK, "test": ["CMD", "false"]}}
ROWS = b"three rows"
RUNS = {version: {"db": f"shop/db:{version}", "front": f"shop/front:{version}"} for version in ("1", "2")}


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


class Scene:
    """A machine on which release 1 runs, and release 2, which makes it anew, healthy or not."""

    def __init__(self, root: Path, *, healthy: bool, changed: bool) -> None:
        self.healthy, self.changed = healthy, changed
        self.here = MachineSite(root)
        self.here.site.apply(self.one(self.here))
        self.daemon(self.here).volumes["data"].files["rows"] = ROWS

    def copy(self, root: Path) -> MachineSite:
        """The same in another place, so that one can be spoilt after the other."""
        here = MachineSite.__new__(MachineSite)
        shutil.copytree(self.here.site.folder.root, root / "state", symlinks=True)
        here.mount = self.here.mount
        here.box = copy.deepcopy(self.here.box)
        here.site = FakeSite(root)
        here.site.daemons.clear()
        here.site.box = here.box
        clock: FakeClock = here.box.clock
        here.site.clock = clock
        return here

    def one(self, here: MachineSite):
        return here.deployment("1")

    def two(self, here: MachineSite):
        front = {} if self.healthy else UNWELL
        if self.changed:
            return here.deployment("2", machine={"cpus": 4}, disk={"size": 128 << 20}, front=front)
        return here.deployment("2", image=b"newer", front=front)

    @staticmethod
    def daemon(here: MachineSite):
        daemon = here.box.daemon_at(ADDRESS)
        assert daemon, "no engine answers"
        return daemon

    def strike(self, here: MachineSite, blows: dict[int, Blow]) -> int:
        """Apply release 2 under blows; how many moments there were."""
        with watched(here.site, blows) as watch:
            here.site.apply(self.two(here), hook=watch)
        return len(watch.moments)

    def check(self, here: MachineSite) -> str:
        """The version that runs then; AssertionError unless all is as it shall be and nothing more is left to do."""
        with suppress(FlotoError):
            here.site.resume()
        with watched(here.site) as watch:
            assert here.site.resume() is None
        assert watch.moments == [], "a second resume found something to do"
        course = read_course(here.site.folder.journal)
        assert course is None or course.outcome is not None
        assert here.machines() == {"db1": "on"}, "ghosts are left"
        [machine] = here.box.machines.values()
        assert machine.disks == list(here.box.files), "the data disk is not where it belongs"
        assert self.daemon(here).volumes["data"].files.get("rows") == ROWS, "the rows are gone"
        version = next((version for version, runs in RUNS.items() if here.running() == runs), None)
        assert version, f"no release runs wholly and alone: {here.running()}"
        assert set(known_disks(here.site.folder)) == {"data"}
        current = here.site.history.current
        assert current
        assert current.undertaking.source.version == version
        deployment = self.one(here) if version == "1" else self.two(here)
        # A data disk that was grown stays so, and then the release before cannot be planned any more.
        if version == "2" or not self.changed:
            assert here.site.plan(deployment) == Plan()
        return version

    def outlives(self, root: Path, moments: Iterable[int], blow: Blow) -> dict[str, int]:
        """How often each version ran in the end."""
        ends = {"1": 0, "2": 0}
        for number in moments:
            here = self.copy(root / f"{blow}-{number}")
            self.strike(here, {number: blow})
            ends[self.check(here)] += 1
        return ends


@pytest.fixture(params=["healthy", "unhealthy", "changed"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    return Scene(tmp_path / "scene", healthy=request.param != "unhealthy", changed=request.param == "changed")


@pytest.mark.parametrize("blow", ["kill", "refuse", "full"])
def test_no_blow_leaves_a_ghost_or_loses_a_row(scene: Scene, blow: Blow, tmp_path: Path) -> None:
    count = scene.strike(scene.copy(tmp_path / "count"), {})
    start = {"kill": 0, "refuse": 3, "full": 5}[blow]

    ends = scene.outlives(tmp_path, range(start, count, 9), blow)

    assert sum(ends.values()) > 10
    if not scene.healthy:
        assert ends["2"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("blow", ["kill", "refuse", "full"])
def test_no_blow_at_any_moment_leaves_a_ghost_or_loses_a_row(scene: Scene, blow: Blow, tmp_path: Path) -> None:
    count = scene.strike(scene.copy(tmp_path / "count"), {})

    assert sum(scene.outlives(tmp_path, range(count), blow).values()) == count


def test_after_two_kills_it_ends_as_well(scene: Scene, tmp_path: Path) -> None:
    count = scene.strike(scene.copy(tmp_path / "count"), {})
    for number in range(1, count, 23):
        here = scene.copy(tmp_path / str(number))
        scene.strike(here, {number: "kill"})
        with watched(here.site, {number % 17: "kill"}) as watch:
            here.site.resume(watch)
        scene.check(here)


def test_a_fault_that_somebody_builds_in_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite is worth something only if it finds a machine that is removed with its data disk, or left behind."""
    scene = Scene(tmp_path / "scene", healthy=False, changed=False)
    monkeypatch.setattr(placing, "_remove_new", lambda hypervisor, name, means: None)

    with pytest.raises((AssertionError, FlotoError)):
        scene.outlives(tmp_path, range(0, 400, 9), "kill")
