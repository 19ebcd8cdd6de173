"""Receipts: what ran, what runs, what can be gone back to."""

from pathlib import Path

import pytest

from agent.history import Receipt, read_history
from agent.planning.view import Wishes
from agent.steps import Plan
from bundle_format.errors import LockedError, RolledBackError
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


def damage(site: FakeSite, number: int) -> Path:
    """Spoil a receipt."""
    path = site.folder.receipts / f"{number:06d}.json"
    path.write_text("garbage", encoding="utf-8")
    return path


def test_a_receipt_that_was_damaged_is_told_and_left_out(site: FakeSite) -> None:
    site.apply(release(site, "1"))
    path = damage(site, 1)

    history = read_history(site.folder)

    assert history.receipts == ()
    assert all(str(path) in warning for warning in history.warnings())
    with pytest.raises(LockedError, match="a receipt is damaged that may be of what runs here"):
        history.require_known()


def test_what_runs_is_known_where_a_later_receipt_tells_it_and_no_other_does(site: FakeSite) -> None:
    for version in ("1", "2", "3"):
        site.apply(release(site, version))
    sick = {"healthcheck": {"test": ["CMD", "false"], "interval": 1, "retries": 1}, "health_deadline": 2}
    with pytest.raises(RolledBackError):
        site.apply(site.deployment("4", images={"db": site.image("db", "4")}, containers={"db": sick}))

    damage(site, 2)
    site.history.require_known()
    damage(site, 3)
    with pytest.raises(LockedError, match=r"000003\.json"):
        site.history.require_known()


def test_no_task_runs_again_because_the_receipt_of_its_run_is_damaged(site: FakeSite) -> None:
    site.apply(release(site, "1"))
    site.apply(release(site, "2"))
    site.apply(release(site, "2"), Wishes(anew=frozenset({"db"})))
    damage(site, 2)

    assert site.plan(release(site, "2")) == Plan()
    (task,) = (step for step in site.plan(release(site, "3")).steps if step.action.kind == "task")
    assert task.why == ("not run for 3 yet", "as far as is known, for a receipt is damaged")


def test_nothing_that_a_damaged_receipt_may_tell_of_is_tidied_up(site: FakeSite) -> None:
    for version in ("1", "2"):
        site.apply(release(site, version))
    kept = {image.config for image in release(site, "2").images.values()}
    damage(site, 2)
    site.apply(release(site, "3"))
    assert all(digest in site.store for digest in kept)
    assert kept <= site.daemons["one"].images.keys()

    site.apply(release(site, "4"))
    assert not any(digest in site.store for digest in kept)


def test_a_backup_is_kept_for_as_long_as_the_release_before_can_be_gone_back_to(site: FakeSite) -> None:
    site.apply(release(site, "1"))
    site.apply(release(site, "2"))
    site.apply(release(site, "2"), Wishes(anew=frozenset({"db"})))

    go_back(site, "1")

    assert log(site) == ["1"]


def test_what_was_set_back_is_known_without_the_receipt_of_the_first_time(site: FakeSite) -> None:
    site.apply(release(site, "1"))
    site.apply(release(site, "2"))
    go_back(site, "1")
    damage(site, 1)

    assert site.plan(release(site, "1")) == Plan()
    assert any(step.action.kind == "task" for step in site.plan(release(site, "2")).steps)


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
