"""The status of a site, from values alone."""

import json
from pathlib import Path

import pytest

from agent.report.prometheus import prometheus_lines
from agent.report.status import Status, status_json, status_of
from agent.report.status_text import status_lines
from agent.state import DiskUse, SiteState
from agent.swarm.state import Node
from bundle_format.release.deployment import Deployment
from tests.sites import FakeSite


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    site = FakeSite(tmp_path, "one", "two")
    site.apply(shop(site))
    return site


def shop(site: FakeSite) -> Deployment:
    return site.deployment(
        images={"web": site.image("web")},
        containers={
            "web": {"healthcheck": {"test": ["CMD", "test", "-f", "/etc/motd"], "interval": 1, "retries": 1}},
            "db": {"image": "web", "host": "two"},
        },
        tasks={"seed": {"container": {"image": "web", "command": ["true"]}}},
    )


def status(site: FakeSite, state: SiteState | None = None, **disks: DiskUse) -> Status:
    current = site.history.current
    assert current
    return status_of(current, state or site.observe(shop(site)), site.plan(shop(site)), disks)


def conditions(status: Status) -> dict[str, str]:
    return {one.name: one.condition for one in status.containers}


def test_a_site_that_is_as_it_shall_be(site: FakeSite) -> None:
    told = status(site)

    assert conditions(told) == {"web": "well", "db": "well", "seed": "ended"}
    assert told.as_it_shall_be
    assert "drift" not in "\n".join(status_lines(told, int(site.clock.now)))


def test_what_is_unwell_stopped_missing_or_foreign_is_told(site: FakeSite) -> None:
    daemon = site.daemons["one"]
    web = daemon.find("web")
    assert web
    del web.files["/etc/motd"]
    daemon.add_foreign("legacy")
    site.engines()["two"].stop("db", 0)

    told = status(site)
    text = "\n".join(status_lines(told, int(site.clock.now)))
    assert conditions(told) == {"web": "unwell", "db": "stopped", "seed": "ended"}
    assert not told.as_it_shall_be
    assert "one: web: unhealthy" in text
    assert "two: db: stopped, exit code 137" in text
    assert "legacy" in text


def test_a_dead_host_leaves_the_others_told(site: FakeSite) -> None:
    site.daemons["two"].up = False

    told = status(site)
    assert conditions(told) == {"web": "well", "db": "unknown", "seed": "ended"}
    assert [host.reachable for host in told.hosts] == [True, False]
    assert "DOWN" in "\n".join(status_lines(told, int(site.clock.now)))


def test_what_another_agent_does_now_is_no_drift(site: FakeSite) -> None:
    current = site.history.current
    assert current
    told = status_of(current, site.observe(shop(site)), None, {}, under_way="apply in phase switch, by process 7")

    assert not told.as_it_shall_be
    assert status_json(told)["under_way"] == "apply in phase switch, by process 7"
    lines = list(status_lines(told, 0))
    assert "under way: apply in phase switch, by process 7" in lines
    assert not any(line.startswith(("interrupted", "drift: cannot")) for line in lines)


def test_the_same_for_scripts_and_for_prometheus(site: FakeSite) -> None:
    told = status(site, one=DiskUse(1, 2, {"data": 7, "odd": None}))

    assert json.loads(json.dumps(status_json(told)))["as_it_shall_be"] is True
    lines = list(prometheus_lines(told))
    assert 'floto_release_info{product="shop",site="krakow-1",version="2024.1"} 1' in lines
    assert 'floto_container_well{product="shop",site="krakow-1",host="two",container="db"} 1' in lines
    assert 'floto_container_well{product="shop",site="krakow-1",host="one",container="seed"} 1' in lines
    assert 'floto_volume_bytes{product="shop",site="krakow-1",host="one",volume="data"} 7' in lines
    assert lines.count("# TYPE floto_host_up gauge") == 1


def test_services_and_lost_nodes_are_told(tmp_path: Path) -> None:
    site = FakeSite(tmp_path)
    swarm = site.daemons["one"].swarm
    swarm.init()
    swarm.nodes.append(Node("n2", "n2"))
    release = site.deployment(images={"web": site.image("web")}, services={"web": {"replicas": 2}})
    site.apply(release)
    current = site.history.current
    assert current

    told = status_of(current, site.observe(release), site.plan(release), {})
    assert told.as_it_shall_be
    assert [(one.name, one.condition, one.running, one.nodes) for one in told.services] == [
        ("web", "well", 2, ("n1", "n2"))
    ]

    swarm.nodes[1] = Node("n2", "n2", ready=False)
    told = status_of(current, site.observe(release), site.plan(release), {})
    assert not told.as_it_shall_be
    assert [line.split() for line in status_lines(told, 0) if "DOWN" in line] == [["n2", "DOWN", "worker"]]
    assert [(node["name"], node["ready"]) for node in status_json(told)["nodes"]] == [("n1", True), ("n2", False)]
    assert 'floto_node_ready{product="shop",site="krakow-1",host="one",node="n2"} 0' in prometheus_lines(told)

    swarm.fault = "the swarm does not answer: no leader"
    told = status_of(current, site.observe(release), None, {})
    assert [(one.condition, one.told) for one in told.services] == [("unknown", swarm.fault)]
