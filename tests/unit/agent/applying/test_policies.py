"""How an apply goes about it: on failure, within a window, on several hosts, and by whose leave."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agent.applying.journal import read_course
from agent.applying.transaction import Conduct
from bundle_format.errors import NeedsPersonError, RolledBackError
from bundle_format.release.deployment import Deployment
from tests.fakes import Moment
from tests.sites import FakeSite

SICK = {"healthcheck": {"test": ["CMD", "false"], "interval": 1, "retries": 1}, "health_deadline": 3}


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    return FakeSite(tmp_path, "one", "two", "three")


def shop(site: FakeSite, version: str, **sick: dict[str, Any]) -> Deployment:
    """An app on each host; a front on the first needs the second's."""
    containers = {f"app-{host}": {"host": host, "image": "app"} for host in site.daemons}
    containers["front"] = {"host": "one", "image": "app", "after": ["app-two"]}
    for name, options in sick.items():
        containers[name.replace("_", "-")].update(options)
    return site.deployment(version, images={"app": site.image("app", version)}, containers=containers)


def versions(site: FakeSite) -> dict[str, str]:
    """Which version of each container runs."""
    running: dict[str, str] = {}
    for host in site.daemons:
        if site.daemons[host].up:
            running |= {name: tags.removeprefix("shop/app:") for name, tags in site.running(host).items()}
    return running


ALL_OLD = {"app-one": "1", "app-two": "1", "app-three": "1", "front": "1"}
ALL_NEW = dict.fromkeys(ALL_OLD, "2")


def tag_of(site: FakeSite, name: str) -> str:
    """The version of a container's image, whether or not it is tagged yet."""
    for daemon in site.daemons.values():
        if found := daemon.find(name):
            return next(version for version in ("1", "2") if site.image("app", version).config == found.image)
    raise AssertionError(name)


def test_rollback_takes_everything_back_on_every_host(site: FakeSite) -> None:
    site.apply(shop(site, "1"))
    with pytest.raises(RolledBackError, match="app-two is not well"):
        site.apply(shop(site, "2", app_two=SICK))

    assert versions(site) == ALL_OLD


def stepping(site: FakeSite, **step: Any) -> Deployment:
    """An app on a host that needs a step."""
    room = {"name": "room", "host": "one", "run": ["touch", "/room"], "unless": ["test", "-e", "/room"], **step}
    return site.deployment(
        "1", images={"app": site.image("app", "1")}, containers={"app-one": {"image": "app"}}, host_steps={"room": room}
    )


def test_a_host_step_is_done_once_and_again_where_it_was_lost(site: FakeSite) -> None:
    receipt = site.apply(stepping(site))

    assert receipt
    assert "/room" in site.daemons["one"].paths
    assert site.apply(stepping(site)) is None
    site.daemons["one"].paths.clear()
    assert [step.action.kind for step in site.plan(stepping(site)).steps] == ["host_step"]


def test_a_host_step_that_fails_is_told_with_what_it_said_and_no_container_was_made(site: FakeSite) -> None:
    with pytest.raises(RolledBackError) as told:
        site.apply(stepping(site, run=["mkfs", "/dev/sdb"], undo=["rm", "/room"]))

    assert "host step room (mkfs /dev/sdb) ended with 127\n  room: mkfs: not found" in told.value.message
    assert site.names() == set()
    kept = (site.folder.tasks / "t1-room.log").read_text(encoding="utf-8")
    assert kept.endswith("mkfs: not found\n")


def test_a_host_step_whose_check_does_not_believe_it_counts_as_failed(site: FakeSite) -> None:
    with pytest.raises(RolledBackError, match=r"test -e /room still says that it is not done"):
        site.apply(stepping(site, run=["touch", "/rom"]))


def test_a_host_step_is_taken_back_with_the_change_and_told_where_it_cannot_be(site: FakeSite) -> None:
    sick = stepping(site, undo=["rm", "/room"])
    sick = sick.model_copy(
        update={"containers": {"app-one": sick.containers["app-one"].model_copy(update={"command": ("false",)})}}
    )
    with pytest.raises(RolledBackError):
        site.apply(sick)
    assert site.daemons["one"].paths == set()

    step = sick.host_steps["room"]
    for undo, told in (None, "app-one"), (("false",), "host step room .* is not taken back: false ended with 1"):
        stuck = sick.model_copy(update={"host_steps": {"room": step.model_copy(update={"undo": undo})}})
        with pytest.raises((RolledBackError, NeedsPersonError), match=told):
            site.apply(stuck)
        assert site.daemons["one"].paths == {"/room"}
        site.daemons["one"].paths.clear()


def test_continue_goes_on_with_what_does_not_need_what_failed(site: FakeSite) -> None:
    site.apply(shop(site, "1"))
    receipt = site.apply(shop(site, "2", app_two=SICK), on_failure="continue")

    assert receipt
    assert receipt.outcome == "partly done"
    assert any("app-two is not well" in reason for reason in receipt.reasons)
    assert {name: tag_of(site, name) for name in ALL_OLD} == {**ALL_NEW, "app-two": "1", "front": "1"}
    assert set(versions(site)) == set(ALL_OLD)
    assert site.names("one") == {"app-one", "front"}

    site.apply(shop(site, "2"))
    assert versions(site) == ALL_NEW


def test_stop_leaves_it_to_a_person_who_may_go_forward_or_back(site: FakeSite) -> None:
    site.apply(shop(site, "1"))
    for back in (True, False):
        with pytest.raises(NeedsPersonError, match="stopped there, as you asked"):
            site.apply(shop(site, "2", app_two=SICK), on_failure="stop")
        course = read_course(site.folder.journal)
        assert course
        assert course.outcome is None
        for daemon in site.daemons.values():
            for found in daemon.containers.values():
                object.__setattr__(found.wish, "healthcheck", None)
        site.resume(back=back)
        assert versions(site) == (ALL_OLD if back else ALL_NEW)


def test_a_window_that_is_too_short_leaves_everything_as_it_was(site: FakeSite) -> None:
    site.apply(shop(site, "1"))
    site.conduct = Conduct(at_once=1, until=site.clock.now + 1)
    with pytest.raises(RolledBackError, match="the window is too short"):
        site.apply(shop(site, "2"))

    assert versions(site) == ALL_OLD
    assert site.names("two") == {"app-two"}
    site.conduct = Conduct(at_once=1, until=site.clock.now + 3600)
    site.apply(shop(site, "2"))
    assert versions(site) == ALL_NEW


@pytest.mark.parametrize("when", ["load_images", "create_container", "stop", "start"])
def test_a_host_that_is_cut_off_in_the_middle_keeps_no_other_from_coming_back(site: FakeSite, when: str) -> None:
    site.apply(shop(site, "1"))

    def cut(moment: Moment) -> None:
        if (moment.when, moment.verb) == ("before", when) and site.daemons["two"].up and moment.subject != "app-one":
            site.daemons["two"].crash()

    with suppress(RolledBackError, NeedsPersonError):
        site.apply(shop(site, "2"), hook=cut)
    reachable = {name: version for name, version in ALL_OLD.items() if name != "app-two"}
    assert versions(site) == reachable

    site.daemons["two"].boot()
    with suppress(RolledBackError):
        site.resume()
    assert versions(site) == ALL_OLD
    site.apply(shop(site, "2"))
    assert versions(site) == ALL_NEW
    assert all(site.names(host) == {f"app-{host}", *(["front"] if host == "one" else [])} for host in site.daemons)


def test_hosts_are_changed_at_the_same_time_when_that_is_allowed(site: FakeSite) -> None:
    site.conduct = Conduct(at_once=4)
    site.apply(shop(site, "1"))
    site.apply(shop(site, "2"))

    assert versions(site) == ALL_NEW
    assert site.apply(shop(site, "2")) is None
