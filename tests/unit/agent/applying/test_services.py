"""Services that are made, changed and taken away, cut short at every moment, on a swarm in memory."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.applying.journal import read_course
from agent.steps import Plan
from bundle_format.digest import digest_of
from bundle_format.errors import FlotoError, RolledBackError
from bundle_format.release.deployment import Deployment
from bundle_format.release.service import file_name_of
from tests.failpoints import Blow, Scene, boot, watched
from tests.sites import FakeSite

PASSING = {"test": ["CMD", "true"], "interval": 1, "retries": 1}
FAILING = {**PASSING, "test": ["CMD", "false"]}


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def file(content: bytes) -> dict[str, Any]:
    return {"path": "/etc/app", "content": content, "digest": digest_of(content)}


def release(site: FakeSite, version: str, check: dict[str, Any], **others: Any) -> Deployment:
    """An api with a file of its own, whose port another service takes over in the next release."""
    return site.deployment(
        version,
        images={name: site.image(name, version) for name in ("api", *others)},
        networks={"mesh": {"driver": "overlay"}},
        services={
            "api": {
                "networks": ["mesh"], "replicas": 2, "files": [file(version.encode())], "healthcheck": check,
                "health_deadline": 20,
            },
            **others,
        },
    )  # fmt: skip


@dataclass
class Two:
    """Release 1 in place, release 2 to come."""

    site: FakeSite
    one: Deployment
    two: Deployment

    def copy(self, root: Path) -> "Two":
        copied = Scene(self.site, self.one, self.two, healthy=True).copy(root)
        return Two(copied.site, self.one, self.two)


def make(root: Path, check: dict[str, Any] = PASSING) -> Two:
    site = FakeSite(root)
    site.daemons["one"].swarm.init()
    port = {"ports": [{"container": 80, "port": 80}]}
    one = release(site, "1", PASSING, leaving=port)
    site.apply(one)
    return Two(site, one, release(site, "2", check, coming=port))


def version_of(two: Two) -> str:
    """The version that runs; AssertionError unless it does so wholly and alone, and its files are all that is left."""
    site = two.site
    site.clock.sleep(10)
    course = read_course(site.folder.journal)
    assert course is None or course.outcome is not None, f"the journal is open in phase {course.phase}"
    swarm = site.daemons["one"].swarm
    found = {name: swarm.state(service) for name, service in swarm.services.items()}
    version = "2" if "coming" in found else "1"
    assert set(found) == {"api", "coming" if version == "2" else "leaving"}
    assert all(state.well and not state.aside and state.running == state.wanted for state in found.values())
    assert f"shop/api:{version}@" in found["api"].settings.image
    assert site.history.current and site.history.current.undertaking.source.version == version
    deployment = two.two if version == "2" else two.one
    assert site.plan(deployment) == Plan()
    names = {v: file_name_of("shop", "krakow-1", "api", two.one.services["api"].files[0].model_copy(
        update={"digest": digest_of(v.encode())})) for v in ("1", "2")}  # fmt: skip
    assert names[version] in swarm.files
    assert swarm.files.keys() <= set(names.values()), "a draft was left behind"
    if version == "2":
        assert names["1"] in swarm.files, "the file of the release before is gone"
    return version


def test_an_update_goes_through_and_back(tmp_path: Path) -> None:
    two = make(tmp_path)
    two.site.apply(two.two)
    assert version_of(two) == "2"

    two.site.apply(two.one)
    assert version_of(two) == "1"


def test_what_the_swarm_takes_back_is_taken_back_as_a_whole(tmp_path: Path) -> None:
    two = make(tmp_path, FAILING)
    with pytest.raises(RolledBackError, match="service api was taken back by the swarm itself"):
        two.site.apply(two.two)
    assert version_of(two) == "1"
    assert two.site.daemons["one"].swarm.services["api"].going_back


def test_a_new_service_that_never_gets_well_is_removed(tmp_path: Path) -> None:
    two = make(tmp_path)
    ill = release(two.site, "2", PASSING, coming={"healthcheck": FAILING, "health_deadline": 5})
    with pytest.raises(RolledBackError, match="service coming is not well after 5 s"):
        two.site.apply(ill)
    assert version_of(two) == "1"


def test_a_swarm_that_only_pauses_is_set_back_by_the_agent(tmp_path: Path) -> None:
    two = make(tmp_path, FAILING)
    tree = {name: service.model_dump() for name, service in two.two.services.items()}
    tree["api"]["update"] = {"failure_action": "pause"}
    two.two = two.site.deployment(
        "2", images=dict(two.two.images), networks={"mesh": {"driver": "overlay"}}, services=tree
    )
    with pytest.raises(RolledBackError, match="half-way"):
        two.site.apply(two.two)
    assert version_of(two) == "1"


@pytest.mark.parametrize("check", [PASSING, FAILING], ids=["healthy", "unhealthy"])
@pytest.mark.parametrize("blow", ["kill", "power", "refuse", "full"])
def test_threat_24_every_single_blow(
    blow: Blow, check: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = make(tmp_path / "first", check)
    with watched(scene.copy(tmp_path / "count").site) as watch:
        watch.site.apply(scene.two, hook=watch)
    ends = {"1": 0, "2": 0}
    assert len(watch.moments) >= 50
    for number in range(0, len(watch.moments), 1 if blow == "kill" else 2):
        two = scene.copy(tmp_path / str(number))
        with watched(two.site, {number: blow}) as blown:
            two.site.apply(two.two, hook=blown)
        boot(Scene(two.site, two.one, two.two, healthy=True))
        with suppress(FlotoError):
            two.site.resume()
        assert two.site.resume() is None
        ends[version_of(two)] += 1
    assert check is PASSING or ends["2"] == 0
    with capsys.disabled():
        print(f"\nservices, {blow} at each of {sum(ends.values())} moments: {ends}")  # noqa: T201
