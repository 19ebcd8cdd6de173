"""What the agent did not make, and a person gives over to it: known by its id, and given back when that fails."""

from pathlib import Path
from typing import Any

import pytest

from agent.cli.changes.outlook import require_known
from agent.labels import Labels
from agent.planning.view import Wishes
from agent.purge import doomed_by
from agent.state import NetworkState, Settings
from bundle_format.errors import FlotoError, MissingError, RolledBackError
from bundle_format.release.deployment import Deployment
from tests.failpoints import watched
from tests.fakes import FakeVolume
from tests.sites import NOTHING, OWNER, FakeSite

SICK = {"healthcheck": {"test": ["CMD", "false"], "interval": 1, "retries": 1}, "health_deadline": 3}
ADOPT = Wishes(adopt=frozenset({"db", "data", "back"}))
USES_DATA = Settings(mounts=("volume:data:/data:rw",))


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    return by_hand(tmp_path)


def by_hand(root: Path) -> FakeSite:
    """A database that somebody started by hand, with rows in its volume, on a network of its own."""
    site = FakeSite(root)
    daemon = site.daemons["one"]
    daemon.add_foreign("db", settings=USES_DATA)
    daemon.add_foreign("legacy")
    daemon.volumes["data"] = FakeVolume(None, files={"log": b"by hand\n"})
    daemon.networks["back"] = NetworkState("net-back", "back", "bridge")
    return site


def shop(site: FakeSite, **db: Any) -> Deployment:
    data = [{"kind": "volume", "volume": "data", "path": "/data"}]
    append = ["sh", "-c", "echo migrated >> /data/log"]
    migrate = {"container": {"image": "db", "command": append, "mounts": data, "after": ["db"]}}
    return site.deployment(
        images={"db": site.image("db")},
        volumes={"data": {}},
        networks={"back": {}},
        containers={"db": {"mounts": data, "networks": [{"network": "back"}], "protect": "replace", **db}},
        tasks={"migrate": {**migrate, "reversible": False, "backup": ["data"]}},
    )


def in_the_way(site: FakeSite, wishes: Wishes = NOTHING) -> list[str]:
    return [obstacle.message for obstacle in site.plan(shop(site), wishes).obstacles]


BY_HAND = [
    "one: the name db belongs to a container that is not ours",
    "one: a network back exists that is not ours",
    "one: a volume data exists that is not ours",
]


def test_it_is_left_alone_without_leave(site: FakeSite) -> None:
    assert in_the_way(site) == BY_HAND


def test_with_leave_a_container_is_replaced_and_what_it_stands_on_is_used_as_it_is(site: FakeSite) -> None:
    plan = site.plan(shop(site), ADOPT)
    site.apply(shop(site), ADOPT)

    daemon = site.daemons["one"]
    assert ("adopted, as you asked" in step.why[0] for step in plan.steps)
    assert "one: volume data is adopted: used as it is, never removed" in plan.notices
    assert daemon.volumes["data"].files["log"] == b"by hand\nmigrated\n"
    assert daemon.networks["back"].labels is None
    assert site.names() == {"db", "legacy", "migrate"}
    again = site.plan(shop(site))
    assert (again.steps, again.obstacles) == ((), ())
    assert again.notices == ("one: not ours, left alone: legacy",)


def test_what_was_adopted_comes_back_as_it_was_when_that_fails(site: FakeSite) -> None:
    before = site.daemons["one"].find("db")
    with pytest.raises(RolledBackError):
        site.apply(shop(site, **SICK), ADOPT)

    assert before
    assert site.daemons["one"].find("db") is before
    assert before.stopped is None
    assert site.daemons["one"].volumes["data"].files["log"] == b"by hand\n"
    assert in_the_way(site) == BY_HAND


def test_an_adoption_that_is_cut_short_at_any_moment_ends_with_one_database(tmp_path: Path) -> None:
    with watched(by_hand(tmp_path / "count")) as watch:
        watch.site.apply(shop(watch.site), ADOPT, hook=watch)
    for number in range(len(watch.moments)):
        site = by_hand(tmp_path / str(number))
        old = site.daemons["one"].find("db")
        with watched(site, {number: "kill"}) as killed:
            site.apply(shop(site), ADOPT, hook=killed)
        site.resume()

        new = site.daemons["one"].find("db")
        log = site.daemons["one"].volumes["data"].files["log"]
        assert new
        assert site.daemons["one"].status(new)[0] == "running"
        assert site.names() == ({"db", "legacy"} if new is old else {"db", "legacy", "migrate"})
        assert log == (b"by hand\n" if new is old else b"by hand\nmigrated\n")


def test_another_container_of_an_adopted_name_is_not_ours(site: FakeSite) -> None:
    site.apply(shop(site), ADOPT)
    daemon = site.daemons["one"]
    ours = daemon.find("db")
    assert ours
    del daemon.containers[ours.id]
    daemon.add_foreign("db")

    assert in_the_way(site) == BY_HAND[:1]


def test_a_volume_is_adopted_until_we_have_made_our_own_in_its_place(site: FakeSite) -> None:
    site.apply(shop(site), ADOPT)
    daemon = site.daemons["one"]
    for lost in ("db", "migrate"):
        found = daemon.find(lost)
        assert found
        del daemon.containers[found.id]
    del daemon.volumes["data"]
    site.apply(shop(site))
    assert daemon.volumes["data"].labels
    assert in_the_way(site) == []

    daemon.volumes["data"] = FakeVolume(None)
    assert in_the_way(site) == BY_HAND[2:]


def test_a_volume_is_not_shared_with_a_stranger_that_runs(site: FakeSite) -> None:
    site.daemons["one"].add_foreign("reader", settings=USES_DATA)

    assert in_the_way(site, ADOPT) == ["one: volume data cannot be adopted while reader, not ours, uses it"]


def test_what_would_vanish_when_it_stops_is_not_adopted(site: FakeSite) -> None:
    found = site.daemons["one"].find("db")
    assert found
    found.settings = Settings(auto_remove=True)

    assert in_the_way(site, ADOPT) == ["one: db was started with --rm: once stopped it could not come back"]


def test_what_another_product_has_made_is_not_adopted(site: FakeSite) -> None:
    site.daemons["one"].volumes["data"].labels = Labels("bar", "krakow-1", "one", "data", "1", "{}", "", "")

    assert in_the_way(site, ADOPT) == ["one: a volume data exists that is not ours but bar's at site krakow-1"]


def test_what_was_adopted_is_never_purged(site: FakeSite) -> None:
    site.apply(shop(site), ADOPT)

    with pytest.raises(MissingError):
        doomed_by(site.observe(), OWNER, "volume", "data", None)
    [doomed] = doomed_by(site.observe(), OWNER, "site", "", None)
    assert {container.name for container in doomed.containers} == {"db", "migrate"}
    assert (doomed.networks, doomed.volumes) == ((), ())


def test_a_name_that_the_release_does_not_have_is_told(site: FakeSite) -> None:
    with pytest.raises(FlotoError, match="no container, task, network or volume called legacy"):
        require_known(shop(site), Wishes(adopt=frozenset({"legacy"})))
