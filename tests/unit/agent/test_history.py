"""Receipts: what ran, what runs, what can be gone back to."""

from pathlib import Path

import pytest

from agent.history import Receipt, read_history
from agent.planning.view import Wishes
from agent.steps import Plan
from bundle_format.errors import LockedError
from bundle_format.release.deployment import Deployment
from tests.sites import FakeSite

DATA = [{"kind": "volume", "volume": "data", "path": "/data"}]


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    return FakeSite(tmp_path)


def release(site: FakeSite, version: str) -> Deployment:
    """A database whose migration appends its version to the data, which only a backup takes back."""
    append = ["sh", "-c", f"echo {version} >> /data/log"]
    return site.deployment(
        version,
        images={"db": site.image("db", version)},
        volumes={"data": {}},
        containers={"db": {"mounts": DATA}},
        tasks={
            "migrate": {
                "container": {"image": "db", "command": append, "mounts": DATA, "after": ["db"]},
                "reversible": False,
                "backup": ["data"],
            }
        },
    )


def log(site: FakeSite) -> list[str]:
    return site.daemons["one"].volumes["data"].files.get("log", b"").decode().split()


def go_back(site: FakeSite, version: str) -> Receipt | None:
    """As `rollback VERSION` does."""
    target = site.history.of_version(version)
    assert target
    return site.apply(release(site, version), Wishes(restore=site.history.backups_since(target)))


def test_a_site_remembers_what_runs_and_what_ran_before(site: FakeSite) -> None:
    assert (site.history.current, site.history.previous, site.history.next_number) == (None, None, 1)
    for version in ("1", "2"):
        site.apply(release(site, version))

    history = site.history
    assert history.current
    assert history.previous
    assert history.current.undertaking.source.version == "2"
    assert history.previous.undertaking.source.version == "1"
    assert history.of_version("3") is None
    assert history.next_number == 3


def test_threat_26_going_back_and_forth_leaves_each_release_with_its_own_data(site: FakeSite) -> None:
    site.apply(release(site, "1"))
    site.apply(release(site, "2"))
    assert log(site) == ["1", "2"]

    go_back(site, "1")
    assert log(site) == ["1"]
    assert site.plan(release(site, "1")) == Plan()

    go_back(site, "2")
    assert log(site) == ["1", "2"]
    assert site.plan(release(site, "2")) == Plan()


def test_a_release_that_comes_again_after_it_was_left_migrates_again(site: FakeSite) -> None:
    site.apply(release(site, "1"))
    site.apply(release(site, "2"))
    go_back(site, "1")
    site.apply(release(site, "2"))

    assert log(site) == ["1", "2"]
    assert site.plan(release(site, "2")) == Plan()


def test_a_receipt_that_was_damaged_is_told(site: FakeSite) -> None:
    site.apply(release(site, "1"))
    path = next(site.folder.receipts.iterdir())
    path.write_text("{}", encoding="utf-8")

    with pytest.raises(LockedError, match="is damaged"):
        read_history(site.folder)


def test_a_backup_is_kept_for_as_long_as_the_release_before_can_be_gone_back_to(site: FakeSite) -> None:
    site.apply(release(site, "1"))
    site.apply(release(site, "2"))
    site.apply(release(site, "2"), Wishes(anew=frozenset({"db"})))

    go_back(site, "1")

    assert log(site) == ["1"]


def test_a_release_that_comes_again_migrates_again_also_where_the_one_before_has_no_tasks(site: FakeSite) -> None:
    one = release(site, "1").model_copy(update={"tasks": {}})
    site.apply(one)
    site.apply(release(site, "2"))
    current = site.history.of_version("1")
    assert current
    site.apply(one, Wishes(restore=site.history.backups_since(current)))
    assert log(site) == []

    site.apply(release(site, "2"))

    assert log(site) == ["2"]
