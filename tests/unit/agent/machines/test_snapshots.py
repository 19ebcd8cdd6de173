"""Snapshots of machines while what runs on them is updated: taken, dropped, and gone back to when a person says so."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from agent.applying.journal import read_course
from agent.steps import Phase, Plan
from bundle_format.errors import NeedsPersonError, RolledBackError, TargetError
from bundle_format.release.deployment import Deployment
from tests.failpoints import watched
from tests.fakes import Moment
from tests.machine_sites import ADDRESS, CHECK, MachineSite

UNWELL = {"healthcheck": {**CHECK, "test": ["CMD", "false"]}}
KEPT = {"snapshot": True}


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture(params=["engine on a data disk", "engine on the machine's own disk"])
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MachineSite]:
    here = MachineSite(tmp_path, on_disk=request.param == "engine on a data disk")
    here.site.apply(release(here))
    yield here


def release(here: MachineSite, version: str = "1", **fields: object) -> Deployment:
    return here.deployment(version, machine=KEPT, **fields)  # type: ignore[arg-type]


def snapshots(here: MachineSite) -> list[str]:
    [machine] = here.box.machines.values()
    return list(machine.snapshots)


def kinds(plan: Plan) -> list[str]:
    return [step.action.kind for step in plan.steps]


class Seen:
    """Which snapshots there were when containers were made and changed places."""

    def __init__(self, here: MachineSite) -> None:
        self.here = here
        self.before: list[list[str]] = []

    def __call__(self, moment: Moment) -> None:
        if moment.when == "before" and moment.verb in ("create_container", "rename", "start"):
            self.before.append(snapshots(self.here))


def test_one_is_taken_before_the_first_change_and_dropped_when_all_is_well(here: MachineSite) -> None:
    plan = here.site.plan(release(here, "2"))
    assert kinds(plan).count("snapshot") == 1
    [step] = [step for step in plan.steps if step.action.kind == "snapshot"]
    assert step.phase is Phase.PREPARE
    assert step.why == ("kept until all is well", "data disks are left out")

    seen = Seen(here)
    receipt = here.site.apply(release(here, "2"), hook=seen)

    assert receipt
    assert seen.before
    assert set(map(tuple, seen.before)) == {(f"floto-{receipt.undertaking.transaction}",)}
    assert snapshots(here) == []
    assert here.site.plan(release(here, "2")) == Plan()


def test_one_that_was_taken_for_what_failed_is_dropped_once_all_is_as_before(here: MachineSite) -> None:
    with pytest.raises(RolledBackError):
        here.site.apply(release(here, "2", front=UNWELL))

    assert snapshots(here) == []
    assert here.running() == {"db": "shop/db:1", "front": "shop/front:1"}


def test_none_is_taken_where_nobody_asks_or_the_old_machine_is_kept_itself(here: MachineSite) -> None:
    assert "snapshot" not in kinds(here.site.plan(here.deployment("2")))
    assert "snapshot" not in kinds(here.site.plan(here.deployment("2", machine={**KEPT, "cpus": 4})))
    assert here.site.plan(release(here)) == Plan()


def stuck(here: MachineSite) -> None:
    """An update that fails and cannot be taken back either: the engine does not remove what is new."""

    def refuse(moment: Moment) -> None:
        if moment.when == "before" and moment.verb == "remove":
            raise TargetError("the engine is at its end", "start it anew")

    with pytest.raises(NeedsPersonError, match="could not be taken back") as failed:
        here.site.apply(release(here, "2", front=UNWELL), hook=refuse)
    assert "floto-agent abort --revert db1" in failed.value.hint
    assert "start it anew" in failed.value.hint


def test_a_person_may_go_back_to_it_where_taking_back_fails(here: MachineSite) -> None:
    stuck(here)
    assert len(snapshots(here)) == 1
    on_disk = here.box.engine_on_disk
    daemon = here.box.daemon_at(ADDRESS)
    assert daemon
    daemon.volumes["data"].files["rows"] = b"written since"

    receipt = here.site.resume(back=True, revert=["db1"])

    assert receipt
    assert receipt.outcome == "taken back"
    assert snapshots(here) == []
    assert here.running() == {"db": "shop/db:1", "front": "shop/front:1"}
    daemon = here.box.daemon_at(ADDRESS)
    assert daemon
    assert daemon.volumes["data"].files.get("rows") == (b"written since" if on_disk else None)
    course = read_course(here.site.folder.journal)
    assert course
    assert course.outcome == "taken back"
    assert here.site.plan(release(here)) == Plan()


@pytest.mark.parametrize("healthy", [True, False])
def test_none_is_left_however_the_update_was_cut_short(here: MachineSite, tmp_path: Path, healthy: bool) -> None:
    wanted = release(here, "2", front={} if healthy else UNWELL)
    number = 0
    while True:
        with watched(here.site, {number: "kill"}) as watch:
            here.site.apply(wanted, hook=watch)
        cut = len(watch.moments) > number
        with suppress(RolledBackError):
            here.site.resume()
        assert snapshots(here) == []
        if not cut:
            break
        here.site.apply(release(here))
        number += 7
    assert number > 21
