"""Preflight: every fault at once, with numbers and remedies, from plain values."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.labels import Owner
from agent.planning.plan import make_plan
from agent.planning.view import View
from agent.preflight import Findings, Staging, preflight
from agent.state import EngineState, Listener, Space
from bundle_format.release.deployment import Deployment, Network
from bundle_format.release.fittings import Port
from tests.contracts.labs import labels
from tests.fakes import FakeEngine
from tests.machine_sites import MachineSite
from tests.sites import FakeSite

ENOUGH = Staging(0, 1, "/var/lib/floto")
PUBLISHED = {"ports": ({"container": 80, "host": 8080},)}


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    return FakeSite(tmp_path)


def judge(
    site: FakeSite,
    change: Callable[[EngineState], EngineState] = lambda engine: engine,
    staging: Staging = ENOUGH,
    **trees: Any,
) -> tuple[Deployment, Findings]:
    images = {"web": site.image("web")}
    deployment = site.deployment(images=images, containers={"web": {}} | trees.pop("containers", {}), **trees)
    seen = site.observe(deployment)
    seen = replace(seen, engines={host: change(engine) for host, engine in seen.engines.items()})
    plan = make_plan(deployment, seen, site.history)
    return deployment, preflight(View(deployment, seen), plan, staging)


def messages(findings: Findings) -> list[str]:
    assert all(obstacle.hint for obstacle in findings.obstacles)
    return [obstacle.message for obstacle in findings.obstacles]


def test_a_site_that_can_take_the_release_has_no_fault(site: FakeSite) -> None:
    _, findings = judge(site, containers={"web": PUBLISHED})

    assert findings == Findings((), ())


def test_all_faults_are_told_at_once(site: FakeSite) -> None:
    def worse(engine: EngineState) -> EngineState:
        facts = replace(engine.facts, api=(1, 40), version="19.03.5", architecture="arm64", skew=-3600)
        listening = frozenset({Listener("tcp", "127.0.0.1", 8080)})
        return replace(engine, facts=facts, space=Space(10, 1 << 30), listening=listening)

    _, findings = judge(site, worse, Staging(100, 129, "/srv/floto"), containers={"web": PUBLISHED})

    told = messages(findings)
    assert len(told) == 5
    assert any("needs 130 B under /srv/floto" in line and "129 B are free" in line for line in told)
    assert any("19.03.5 speaks API 1.40; 1.41 is needed" in line for line in told)
    assert any("shop/web:1 is for amd64, the engine runs arm64" in line for line in told)
    assert any("10 B are free" in line for line in told)
    assert any("web wants port 8080/tcp, but a process of the host has it" in line for line in told)
    assert findings.warnings == ("one: its clock is 3600 s behind this one; certificates and logs suffer",)


def test_an_engine_needs_room_for_what_is_sent_and_for_what_is_unpacked(site: FakeSite) -> None:
    size = site.image("web").size

    def with_room(room: int) -> list[str]:
        return messages(judge(site, lambda engine: replace(engine, space=Space(room, 1 << 30)))[1])

    assert with_room(size * 2 * 13 // 10) == []
    assert len(with_room(size * 2 * 13 // 10 - 1)) == 1


def test_what_cannot_be_known_is_no_fault(site: FakeSite) -> None:
    _, findings = judge(site, lambda engine: replace(engine, space=None, listening=None))

    assert findings.obstacles == ()


@pytest.mark.parametrize(
    ("held", "wanted", "fault"),
    [
        ("0.0.0.0", "127.0.0.1", True),
        ("127.0.0.1", "0.0.0.0", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("::", "0.0.0.0", True),
    ],
)
def test_a_port_is_taken_by_address(site: FakeSite, held: str, wanted: str, fault: bool) -> None:
    site.daemons["one"].add_foreign("theirs", ports=(Port(container=1, host=8080, address=held),))

    ports = {"ports": ({"container": 80, "host": 8080, "address": wanted},)}
    _, findings = judge(site, containers={"web": ports})

    assert [("theirs" in line, "8080" in line) for line in messages(findings)] == [(True, True)] * fault


def test_a_port_that_our_own_container_gives_up_is_free(site: FakeSite) -> None:
    site.apply(site.deployment("2024.1", images={"web": site.image("web")}, containers={"web": PUBLISHED}))

    _, findings = judge(site, containers={"web": {**PUBLISHED, "env": {"NEW": "1"}}})

    assert findings.obstacles == ()


def test_a_network_that_would_cross_another_is_told(site: FakeSite) -> None:
    theirs = Owner("other", "krakow-1")
    foreign = replace(labels("theirs"), product="other")
    FakeEngine(site.daemons["one"], "one", theirs).ensure_network(
        Network(name="theirs", subnet="172.30.0.0/16"), foreign
    )

    networks = {"front": {"subnet": "172.30.5.0/24"}, "back": {"subnet": "172.31.0.0/24"}}
    places = {"networks": ({"network": "front"}, {"network": "back"})}
    _, findings = judge(site, networks=networks, containers={"web": places})

    assert messages(findings) == ["one: network front wants 172.30.5.0/24, but network theirs has 172.30.0.0/16"]


def test_a_container_of_others_with_our_name_is_told(site: FakeSite) -> None:
    site.daemons["one"].add_foreign("web")

    _, findings = judge(site)

    assert messages(findings) == ["one: the name web belongs to a container that is not ours"]


def test_disks_that_are_packed_for_a_hypervisor_need_room_beside_the_store(tmp_path: Path) -> None:
    here = MachineSite(tmp_path)
    deployment = here.deployment()
    [image] = deployment.machine_images.values()
    staging = Staging(100, 300, "/srv/floto", {image.disk: 200})

    def told() -> list[str]:
        seen, plan = here.site.observe(deployment), here.site.plan(deployment)
        return messages(preflight(View(deployment, seen, here.site.history), plan, staging))

    assert told() == ["the site's store needs 390 B under /srv/floto; 300 B are free"]
    here.site.apply(deployment)
    assert told() == []
