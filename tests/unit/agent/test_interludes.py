"""A backup, a restore or a restart that is cut short at any moment: what ran runs again, and no volume stays halved."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

import pytest

from agent.applying.means import Means
from agent.care import in_order, restart
from agent.history import Undertaking
from agent.interlude import end_interlude, noted
from agent.volumes import back_up, put_back, users_of
from bundle_format.errors import FlotoError, LockedError, NeedsPersonError
from tests.failpoints import DATA, Blow, Scene, Watch, boot, watched
from tests.sites import OWNER, FakeSite, Hook

Action = Literal["backup", "restore", "restart"]

THEN, NOW = {"rows": b"then", "old": b"gone since"}, {"rows": b"now", "new": b"come since"}


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A front that needs a database, whose volume was backed up and has changed since; something that does not run."""
    site = FakeSite(tmp_path_factory.mktemp("scene"))
    containers = {"db": {"mounts": DATA}, "front": {"after": ["db"]}, "idle": {"mounts": DATA}}
    release = site.deployment(
        images={name: site.image(name) for name in containers}, volumes={"data": {}}, containers=containers
    )
    site.apply(release)
    site.engines()["one"].stop("idle", 0)
    data = site.daemons["one"].volumes["data"]
    data.files = dict(THEN)
    do(site, "backup")
    data.files = dict(NOW)
    return Scene(site, release, release, healthy=True)


def undertaking_of(site: FakeSite) -> Undertaking:
    current = site.history.current
    assert current
    return current.undertaking


def do(site: FakeSite, action: Action, hook: Hook | None = None) -> None:
    undertaking, note = undertaking_of(site), site.folder.interlude
    users = users_of(site.observe(), OWNER, "one", "data")
    file = site.folder.root / "data.tar"
    with site.means(undertaking, hook) as means:
        match action:
            case "backup":
                back_up(means, "one", "data", users, file, note=note)
            case "restore":
                put_back(means, "one", "data", users, file, note=note)
            case "restart":
                restart(
                    means,
                    undertaking.containers,
                    in_order(undertaking.containers, ["db", "front"], undertaking.tasks),
                    note,
                )


@contextmanager
def cut_short(scene: Scene, root: Path, action: Action, blows: dict[int, Blow]) -> Iterator[tuple[Scene, Watch]]:
    """A copy of the scene in which `action` was cut short."""
    copied = scene.copy(root)
    with watched(copied.site, blows) as watch:
        do(copied.site, action, watch)
    yield copied, watch
    shutil.rmtree(root)


@contextmanager
def successor(site: FakeSite, hook: Hook | None = None) -> Iterator[Means]:
    with site.means(undertaking_of(site), hook) as means:
        yield means


def count(scene: Scene, root: Path, action: Action) -> int:
    with cut_short(scene, root, action, {}) as (_, watch):
        assert noted(scene.site.folder.interlude) is None
        return len(watch.moments)


@pytest.mark.parametrize("blow", get_args(Blow))
@pytest.mark.parametrize("action", get_args(Action))
def test_every_single_blow_is_put_right_by_the_next_agent(
    scene: Scene, tmp_path: Path, action: Action, blow: Blow
) -> None:
    moments = count(scene, tmp_path / "count", action)
    assert moments > 8
    for number in range(moments):
        with cut_short(scene, tmp_path / str(number), action, {number: blow}) as (copied, _):
            boot(copied)
            site = copied.site
            with successor(site) as means:
                end_interlude(site.folder.interlude, means)

            assert set(site.running()) == {"db", "front"}, f"moment {number}"
            assert site.daemons["one"].volumes["data"].files in ((NOW, THEN) if action == "restore" else (NOW,))
            with watched(site) as watch, successor(site, watch) as means:
                end_interlude(site.folder.interlude, means)
            assert watch.moments == []


@pytest.mark.parametrize("blow", get_args(Blow))
def test_the_successor_may_be_cut_short_as_well(scene: Scene, tmp_path: Path, blow: Blow) -> None:
    moments = count(scene, tmp_path / "count", "restore")
    for first in range(moments):
        with cut_short(scene, tmp_path / f"{first}", "restore", {first: "kill"}) as (copied, _):
            site, second = copied.site, 0
            while noted(site.folder.interlude):
                with watched(site, {second: blow}) as watch, successor(site, watch) as means:
                    end_interlude(site.folder.interlude, means)
                boot(copied)
                second += 1
                assert second < 50
            assert site.daemons["one"].volumes["data"].files in (NOW, THEN)


def test_a_volume_that_does_not_get_back_what_it_held_keeps_its_users_stopped_until_it_does(
    scene: Scene, tmp_path: Path
) -> None:
    moments = count(scene, tmp_path / "count", "restore")
    for number in range(moments):
        with cut_short(scene, tmp_path / str(number), "restore", {number: "kill"}) as (copied, _):
            site = copied.site
            found = noted(site.folder.interlude)
            if found is None or found.overwritten is None:
                continue
            site.daemons["one"].crash()
            with successor(site) as means, pytest.raises(NeedsPersonError, match="half restored"):
                end_interlude(site.folder.interlude, means)
            boot(copied)
            assert "db" not in site.running()
            with successor(site) as means:
                end_interlude(site.folder.interlude, means)
            assert set(site.running()) == {"db", "front"}
            return
    pytest.fail("no kill left a volume half written")


def test_a_note_that_is_damaged_is_told(scene: Scene, tmp_path: Path) -> None:
    note = scene.copy(tmp_path).site.folder.interlude
    note.write_bytes(b"{")
    note.chmod(0o600)
    with pytest.raises(LockedError, match="damaged") as caught:
        noted(note)
    assert isinstance(caught.value, FlotoError) and "floto-agent start" in (caught.value.hint or "")
