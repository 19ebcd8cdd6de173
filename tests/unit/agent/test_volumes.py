"""Volumes to a file and back, and what only a typed-out purge removes."""

from pathlib import Path

import pytest

from agent.applying.means import Stop
from agent.labels import Owner
from agent.purge import doomed_by, purge, require_leave
from agent.volumes import back_up, check_backup, host_of, put_back, users_of
from bundle_format.errors import DamageError, FlotoError, MissingError, NeedsPersonError, PreflightError, TargetError
from tests.fakes import Moment
from tests.sites import OWNER, FakeSite, Hook

DATA = [{"kind": "volume", "volume": "data", "path": "/data"}]
NET = [{"network": "net"}]


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    site = FakeSite(tmp_path)
    images = {"db": site.image("db"), "web": site.image("web")}
    containers = {"db": {"mounts": DATA, "protect": "purge"}, "web": {"networks": NET}}
    site.apply(site.deployment(images=images, volumes={"data": {}}, networks={"net": {}}, containers=containers))
    site.daemons["one"].volumes["data"].files["rows"] = b"before"
    return site


def do(site: FakeSite, what: str, path: Path, hook: Hook | None = None) -> None:
    state, current = site.observe(), site.history.current
    assert current
    users = users_of(state, OWNER, "one", "data")
    assert [user.name for user in users] == ["db"]
    with site.means(current.undertaking, hook) as means:
        (back_up if what == "backup" else put_back)(means, "one", "data", users, path, note=site.folder.interlude)


def test_a_volume_goes_to_a_file_and_comes_back_and_its_users_run_again(site: FakeSite, tmp_path: Path) -> None:
    path = tmp_path / "data.tar"
    do(site, "backup", path)
    assert path.stat().st_mode & 0o777 == 0o600
    check_backup(path)
    site.daemons["one"].volumes["data"].files["rows"] = b"after"

    do(site, "restore", path)
    assert site.daemons["one"].volumes["data"].files == {"rows": b"before"}
    assert set(site.running()) == {"db", "web"}


def test_who_uses_a_volume_runs_again_where_it_could_not_be_stopped(site: FakeSite, tmp_path: Path) -> None:
    def hook(moment: Moment) -> None:
        if (moment.when, moment.verb) == ("after", "stop"):
            raise TargetError("the engine said nothing")

    with pytest.raises(TargetError, match="said nothing"):
        do(site, "backup", tmp_path / "data.tar", hook)
    assert set(site.running()) == {"db", "web"}


def test_nobody_is_stopped_for_a_backup_to_a_place_where_none_can_be(site: FakeSite, tmp_path: Path) -> None:
    def hook(moment: Moment) -> None:
        assert moment.verb != "stop"

    with pytest.raises(FlotoError, match="it is a folder"):
        do(site, "backup", tmp_path, hook)


def test_ctrl_c_changes_nothing_while_users_are_started_again(site: FakeSite, tmp_path: Path) -> None:
    def hook(moment: Moment) -> None:
        if (moment.when, moment.verb) == ("before", "start"):
            site.stop.ask()

    site.stop = Stop()
    do(site, "backup", tmp_path / "data.tar", hook)
    assert site.stop.heard and set(site.running()) == {"db", "web"}


def test_ctrl_c_changes_nothing_while_what_was_there_is_put_back(site: FakeSite, tmp_path: Path) -> None:
    do(site, "backup", tmp_path / "data.tar")
    site.daemons["one"].volumes["data"].files["rows"] = b"after"
    site.stop, writes = Stop(), []

    def hook(moment: Moment) -> None:
        if (moment.when, moment.verb) == ("amid", "write_volume"):
            writes.append(moment)
            if len(writes) == 1:
                raise TargetError("no space left on device")
            site.stop.ask()

    with pytest.raises(TargetError, match="no space left"):
        do(site, "restore", tmp_path / "data.tar", hook)
    assert len(writes) > 1 and site.daemons["one"].volumes["data"].files == {"rows": b"after"}
    assert set(site.running()) == {"db", "web"}


def test_what_is_no_whole_backup_is_refused_before_anything_stops(site: FakeSite, tmp_path: Path) -> None:
    path = tmp_path / "data.tar"
    do(site, "backup", path)
    whole = path.read_bytes()
    for bad in (b"", b"rubbish" * 100, whole[:700], whole.replace(b"volume/rows", b"../etc/pass")):
        path.write_bytes(bad)
        with pytest.raises(DamageError):
            check_backup(path)
    with pytest.raises(MissingError):
        check_backup(tmp_path / "nothing")


@pytest.mark.parametrize("blow", [TargetError("one: no space left on device"), KeyboardInterrupt(), OSError("gone")])
def test_a_restore_that_fails_leaves_what_was_there(site: FakeSite, tmp_path: Path, blow: BaseException) -> None:
    path = tmp_path / "data.tar"
    do(site, "backup", path)
    site.daemons["one"].volumes["data"].files["rows"] = b"after"
    failed: list[Moment] = []

    def hook(moment: Moment) -> None:
        if (moment.when, moment.verb) == ("amid", "write_volume") and not failed:
            failed.append(moment)
            raise blow

    with pytest.raises(type(blow)):
        do(site, "restore", path, hook)
    assert site.daemons["one"].volumes["data"].files == {"rows": b"after"}
    assert set(site.running()) == {"db", "web"}


def test_nobody_starts_on_half_of_the_data(site: FakeSite, tmp_path: Path) -> None:
    path = tmp_path / "data.tar"
    do(site, "backup", path)

    def hook(moment: Moment) -> None:
        if (moment.when, moment.verb) == ("amid", "write_volume"):
            raise TargetError("one: no space left on device")

    with pytest.raises(NeedsPersonError, match="half restored"):
        do(site, "restore", path, hook)
    assert set(site.running()) == {"web"}


def test_a_volume_is_looked_for_on_every_host_and_only_ours_counts(site: FakeSite) -> None:
    state = site.observe()

    assert host_of(state, OWNER, "data", None) == "one"
    for owner, volume, host in ((OWNER, "nothing", None), (Owner("other", "x"), "data", None), (OWNER, "data", "two")):
        with pytest.raises(MissingError):
            host_of(state, owner, volume, host)


def test_a_purge_takes_what_was_named_and_what_stands_on_it_and_nothing_else(site: FakeSite) -> None:
    site.daemons["one"].add_foreign("legacy")
    (doomed,) = doomed_by(site.observe(), OWNER, "network", "net", None)
    purge(doomed, site.engines()["one"])

    assert site.names() == {"db", "legacy"}
    assert "net" not in site.daemons["one"].networks
    assert "data" in site.daemons["one"].volumes


def test_a_protected_container_keeps_its_volume_from_any_purge(site: FakeSite) -> None:
    current = site.history.current
    assert current
    for kind, name in (("volume", "data"), ("site", "")):
        with pytest.raises(PreflightError, match="db is protected"):
            require_leave(doomed_by(site.observe(), OWNER, kind, name, None), current)
    require_leave(doomed_by(site.observe(), OWNER, "network", "net", None), current)


def test_a_purge_of_the_site_leaves_what_is_not_ours(site: FakeSite) -> None:
    site.daemons["one"].add_foreign("legacy")
    (doomed,) = doomed_by(site.observe(), OWNER, "site", "", None)
    purge(doomed, site.engines()["one"])

    assert site.names() == {"legacy"}
    assert site.daemons["one"].volumes == {}
    with pytest.raises(MissingError):
        doomed_by(site.observe(), OWNER, "site", "", None)
