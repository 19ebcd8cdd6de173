"""What was interrupted is ended on the hosts that it touched, and told as it ended."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent.applying import transaction
from agent.applying.journal import read_course
from agent.applying.means import Means
from agent.applying.settle import MOST_ATTEMPTS, settle
from agent.history import Receipt, Undertaking
from agent.planning.view import Wishes
from bundle_format.errors import NeedsPersonError, TargetError
from bundle_format.release.deployment import Deployment
from tests.failpoints import watched
from tests.fakes import Moment
from tests.sites import FakeSite, Hook


def release(site: FakeSite, version: str, **containers: str) -> Deployment:
    """Containers, each on the host that is given."""
    images = {name: site.image(name, version) for name in containers}
    return site.deployment(
        version, images=images, containers={name: {"host": host} for name, host in containers.items()}
    )


def end(site: FakeSite, without: str = "", hook: Hook | None = None, *, back: bool = False) -> Receipt | None:
    """As an agent does that reaches the undertaking's hosts alone, and of them not the one named."""

    @contextmanager
    def equip(undertaking: Undertaking) -> Iterator[Means]:
        with site.means(undertaking, hook) as means:
            known = undertaking.reached.keys() - {without}
            yield replace(means, engines={host: engine for host, engine in means.engines.items() if host in known})

    return settle(site.folder, equip, site.conduct, site.remembered.append, back=back)


@contextmanager
def killed_at(site: FakeSite, when: str, verb: str, container: str) -> Iterator[Hook]:
    """The agent in the block dies at that moment."""
    with watched(site) as watch:

        def hook(moment: Moment) -> None:
            if (moment.when, moment.verb) == (when, verb) and container in moment.subject:
                watch.dead = True
            watch(moment)

        yield hook


def test_a_host_that_leaves_the_release_is_reached_when_its_removal_was_interrupted(tmp_path: Path) -> None:
    site = FakeSite(tmp_path, "one", "two")
    site.apply(release(site, "1", web="one", worker="two"))
    two = release(site, "2", web="one")
    two = two.model_copy(update={"hosts": {"one": two.hosts["one"]}})
    current = site.history.current
    assert current
    with killed_at(site, "after", "rename", "worker") as hook:
        site.apply(two, hook=hook, before=current.undertaking.hosts)

    receipt = end(site)

    assert receipt and receipt.outcome == "done"
    assert site.names("two") == set()


def test_what_only_has_to_be_tidied_up_never_keeps_a_site_from_its_next_release(tmp_path: Path) -> None:
    site = FakeSite(tmp_path, "one", "two")
    site.apply(release(site, "1", web="one", worker="two"))
    with killed_at(site, "before", "remove", ".floto-old") as hook:
        site.apply(release(site, "2", web="one", worker="two"), hook=hook)

    for _ in range(MOST_ATTEMPTS + 2):
        assert end(site, without="two")
    end(site)

    course = read_course(site.folder.journal)
    assert course and course.outcome == "done"


def test_a_part_alone_is_tidied_up_without_the_hosts_that_were_left_out(tmp_path: Path) -> None:
    site = FakeSite(tmp_path, "one", "two")
    site.apply(release(site, "1", web="one", worker="two"))
    two = release(site, "2", web="one", worker="two")
    with killed_at(site, "before", "remove", ".floto-old") as hook:
        site.apply(two, Wishes(only=frozenset({"web"})), hook, only=("web",))

    end(site, without="two")

    course = read_course(site.folder.journal)
    assert course and course.outcome == "done"


def test_what_failed_first_and_was_done_in_the_end_is_done(tmp_path: Path) -> None:
    site = FakeSite(tmp_path)
    failed: list[Moment] = []

    def hook(moment: Moment) -> None:
        if (moment.when, moment.verb) == ("before", "start") and not failed:
            failed.append(moment)
            raise TargetError("one: the engine cannot be reached")

    with pytest.raises(NeedsPersonError):
        site.apply(release(site, "1", web="one"), hook=hook, on_failure="stop")

    receipt = end(site)

    assert receipt
    assert (receipt.outcome, receipt.reasons) == ("done", ("one: the engine cannot be reached",))


def test_what_was_left_because_it_did_not_stay_well_goes_forward_again(tmp_path: Path) -> None:
    site = FakeSite(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transaction, "check_still_well", unwell)
        for attempt in (lambda: site.apply(release(site, "1", web="one"), on_failure="stop"), lambda: end(site)):
            with pytest.raises(NeedsPersonError, match="did not stay well"):
                attempt()

    receipt = end(site)

    assert receipt and receipt.outcome == "done"


def test_what_was_left_and_is_interrupted_again_and_again_waits_for_a_person(tmp_path: Path) -> None:
    site = FakeSite(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transaction, "check_still_well", unwell)
        with pytest.raises(NeedsPersonError):
            site.apply(release(site, "1", web="one"), on_failure="stop")
    for _ in range(MOST_ATTEMPTS):
        with killed_at(site, "before", "start", "web") as hook:
            end(site, hook=hook)

    with pytest.raises(NeedsPersonError, match="was taken over 5 times and never came to an end"):
        end(site)


def unwell(*_: object) -> int:
    raise TargetError("one: web did not stay well")
