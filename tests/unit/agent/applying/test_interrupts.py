"""A person who presses Ctrl-C at one moment or another: what is taken back comes to its end."""

import os
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.applying.journal import Course, read_course
from agent.applying.means import Stop
from agent.cli.changes import carrying
from agent.cli.changes.stopping import stoppable
from agent.cli.site import Site
from agent.planning.view import Wishes
from bundle_format.errors import NeedsPersonError, RolledBackError
from bundle_format.release.deployment import Deployment
from bundle_format.terminal import Terminal
from bundle_format.trust.state import TrustFolder
from tests.failpoints import watched
from tests.fakes import Moment
from tests.sites import FakeSite

STREAMS = (sys.stdout, sys.stderr, sys.stdin)
SICK = {"healthcheck": {"test": ["CMD", "false"], "interval": 1, "retries": 1}, "health_deadline": 3}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[FakeSite]:
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    site = FakeSite(tmp_path)
    site.apply(release(site, "1"))
    with stoppable() as site.stop:
        yield site
    signal.signal(signal.SIGINT, former)


def release(site: FakeSite, version: str, **options: Any) -> Deployment:
    images = {name: site.image(name, version) for name in ("web", "db")}
    tasks = {"seed": {"container": {"image": "db", "command": ["true"]}}}
    return site.deployment(version, images=images, containers={"web": options, "db": {}}, tasks=tasks)


def course(site: FakeSite) -> Course:
    found = read_course(site.folder.journal)
    assert found
    return found


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)


def test_an_update_is_taken_back(site: FakeSite) -> None:
    def hook(moment: Moment) -> None:
        if (moment.when, moment.verb, moment.subject) == ("before", "start", "web"):
            press_ctrl_c()

    before = site.running()
    with pytest.raises(RolledBackError, match="stopped, as you asked"):
        site.apply(release(site, "2"), hook=hook)
    assert site.running() == before


def test_a_task_is_not_waited_for(site: FakeSite) -> None:
    moments = []

    def hook(moment: Moment) -> None:
        moments.append((moment.verb, moment.subject))
        if (moment.when, moment.verb) == ("amid", "run_task"):
            press_ctrl_c()

    with pytest.raises(RolledBackError):
        site.apply(release(site, "2"), hook=hook)
    assert ("stop", "seed") in moments[moments.index(("run_task", "seed")) :]


def test_what_a_failure_takes_back_comes_to_its_end(site: FakeSite) -> None:
    pressed = []

    def hook(moment: Moment) -> None:
        if course(site).retreating and (moment.when, moment.verb) == ("before", "rename"):
            pressed.append(moment)
            press_ctrl_c()

    before = site.running()
    with pytest.raises(RolledBackError, match="web is not well"):
        site.apply(release(site, "2", **SICK), hook=hook)
    assert pressed and site.running() == before and course(site).outcome == "taken back"


def test_what_is_done_is_tidied_up(site: FakeSite) -> None:
    pressed = []

    def hook(moment: Moment) -> None:
        if (moment.when, moment.verb) == ("before", "remove"):
            pressed.append(moment)
            press_ctrl_c()

    receipt = site.apply(release(site, "2"), hook=hook)
    assert pressed and receipt and course(site).outcome == "done"


def test_who_wants_it_left_finds_it_left(site: FakeSite) -> None:
    def hook(moment: Moment) -> None:
        if (moment.when, moment.verb, moment.subject) == ("before", "start", "web"):
            press_ctrl_c()

    with pytest.raises(NeedsPersonError, match="nothing was taken back"):
        site.apply(release(site, "2"), Wishes(), hook, on_failure="stop")


def test_a_task_goes_forward_where_it_was_to_be_left(site: FakeSite) -> None:
    def hook(moment: Moment) -> None:
        if (moment.when, moment.verb) == ("amid", "run_task"):
            press_ctrl_c()

    with pytest.raises(NeedsPersonError, match="nothing was taken back"):
        site.apply(release(site, "2"), Wishes(), hook, on_failure="stop")
    site.stop = Stop()
    receipt = site.resume()
    assert receipt and receipt.outcome == "done"


@pytest.mark.parametrize("retreating", [False, True])
def test_nothing_new_begins_after_what_was_interrupted_was_ended(
    site: FakeSite, retreating: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = site.running()
    with watched(site) as watch:

        def hook(moment: Moment) -> None:
            watch.dead = (moment.when, moment.verb) == ("before", "start")
            watch(moment)

        site.apply(release(site, "2", **(SICK if retreating else {})), hook=hook)
    assert course(site).outcome is None
    pressed = []

    def pressing(moment: Moment) -> None:
        if (moment.when, moment.verb) == ("before", "start") and course(site).retreating is retreating:
            pressed.append(moment)
            press_ctrl_c()

    @contextmanager
    def engines_of(*_: object) -> Iterator[object]:
        yield site.engines(pressing), {}

    monkeypatch.setattr(carrying, "engines_of", engines_of)
    monkeypatch.setattr(carrying, "hypervisors_of", lambda *_: engines_of())
    monkeypatch.setattr(carrying, "WallClock", lambda _: site.clock)
    there, terminal = Site(site.folder, site.store, TrustFolder(site.folder.root, {})), Terminal(*STREAMS)
    with pytest.raises(KeyboardInterrupt):
        carrying.settle_before(there, Namespace(), terminal)
    assert pressed and site.running() == before and course(site).outcome == "taken back"
