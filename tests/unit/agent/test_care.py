"""Stopping and starting by hand."""

from pathlib import Path

import pytest

from agent.applying.means import Stop
from agent.care import in_order, needed, require_unprotected, restart, stands_still
from bundle_format.errors import FlotoError, PreflightError, TargetError
from tests.fakes import Moment
from tests.sites import FakeSite, Hook


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    """A chain: web needs app, app needs db; the last is protected."""
    site = FakeSite(tmp_path)
    containers = {"web": {"after": ["app"]}, "app": {"after": ["db"]}, "db": {"protect": "stop"}}
    images = {name: site.image(name) for name in containers}
    site.apply(site.deployment(images=images, containers=containers))
    return site


def act(site: FakeSite, *names: str, hook: Hook = lambda moment: None) -> list[str]:
    """What is stopped and started when the named are restarted, in order, each once."""
    seen: dict[str, None] = {}

    def watched(moment: Moment) -> None:
        if moment.when == "before":
            seen[f"{moment.verb} {moment.subject}"] = None
        hook(moment)

    current = site.history.current
    assert current
    placed = current.undertaking.containers
    with site.means(current.undertaking, watched) as means:
        restart(means, placed, in_order(placed, names, {}), site.folder.interlude)
    return [*seen]


def test_who_needs_others_stops_first_and_starts_last(site: FakeSite) -> None:
    stops, starts = ["stop web", "stop app", "stop db"], ["start db", "start app", "start web"]

    assert act(site) == stops + starts
    assert act(site, "one") == stops + starts
    assert act(site, "web", "db") == ["stop web", "stop db", "start db", "start web"]


def test_a_name_that_nobody_has_is_told(site: FakeSite) -> None:
    with pytest.raises(FlotoError, match="no container or host called wob"):
        act(site, "wob")


def test_what_is_needed_is_found_by_way_of_tasks_too(tmp_path: Path) -> None:
    site = FakeSite(tmp_path, "one", "two")
    images = {name: site.image(name) for name in ("web", "db", "log")}
    containers = {"web": {"after": ["seed"]}, "db": {"host": "two"}, "log": {}}
    tasks = {
        "seed": {"container": {"image": "db", "command": ["true"]}, "schedule": {"after": ["db"]}},
        "tidy": {"container": {"image": "db", "command": ["true"], "after": ["log"]}, "schedule": {"before": ["db"]}},
    }
    site.apply(site.deployment(images=images, containers=containers, tasks=tasks))
    current = site.history.current
    assert current
    undertaking = current.undertaking

    assert needed(undertaking.containers, ["web"], undertaking.tasks) == ("log", "db", "web")
    assert in_order(undertaking.containers, ["web", "db"], undertaking.tasks) == ("db", "web")

    site.engines()["one"].stop("log", 0)
    site.daemons["two"].up = False
    with site.means(undertaking) as means:
        still = [name for name, placed in undertaking.containers.items() if stands_still(means, name, placed)]
    assert still == ["log"], "of what is on a host that does not answer, nothing is known"


def test_a_protected_container_is_not_stopped_without_leave(site: FakeSite) -> None:
    current = site.history.current
    assert current
    placed = current.undertaking.containers

    with pytest.raises(PreflightError, match="db must not be stopped"):
        require_unprotected(placed, ("web", "db"), ())
    require_unprotected(placed, ("web", "db"), ("db",))


def test_what_does_not_become_well_is_told(site: FakeSite) -> None:
    web = site.daemons["one"].find("web")
    assert web
    object.__setattr__(web, "words", ("false",))

    with pytest.raises(TargetError, match="web is not well"):
        act(site, "web")


@pytest.mark.parametrize("subject", ["web", "app", "db"])
@pytest.mark.parametrize("verb", ["stop", "start"])
@pytest.mark.parametrize("cause", [KeyboardInterrupt, TargetError])
def test_what_ran_runs_again_where_a_restart_ends_early(
    site: FakeSite, verb: str, subject: str, cause: type[BaseException]
) -> None:
    before = site.running()
    site.stop, seen = Stop(), 0

    def hook(moment: Moment) -> None:
        nonlocal seen
        if (moment.when, moment.verb, moment.subject) == ("before", verb, subject):
            seen += 1
            if seen > 1 or cause is KeyboardInterrupt:
                site.stop.ask()  # the second time it changes nothing
            else:
                raise cause("the engine said nothing")

    with pytest.raises(cause):
        act(site, hook=hook)
    assert site.running() == before


def test_what_did_not_run_is_not_started_where_a_restart_ends_early(site: FakeSite) -> None:
    site.engines()["one"].stop("web", 0)

    def hook(moment: Moment) -> None:
        if (moment.when, moment.verb, moment.subject) == ("before", "stop", "db"):
            site.stop.ask()

    site.stop = Stop()
    with pytest.raises(KeyboardInterrupt):
        act(site, hook=hook)
    assert set(site.running()) == {"app", "db"}
