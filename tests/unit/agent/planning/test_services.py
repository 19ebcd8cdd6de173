"""Plans of services: what is asked of a swarm and why, and what keeps it from being asked."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.planning.swarm.hindrances import swarm_warnings
from agent.planning.view import View, Wishes
from agent.steps import Phase, Plan
from agent.swarm.actions import UpdateService
from agent.swarm.state import Node
from bundle_format.digest import digest_of
from bundle_format.release.deployment import Deployment
from tests.sites import FakeSite


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    site = FakeSite(tmp_path)
    swarm = site.daemons["one"].swarm
    swarm.init()
    swarm.nodes += [Node(name, name, traits={"node.role": "worker"}) for name in ("n2", "n3")]
    return site


def shop(site: FakeSite, version: str = "2024.1", image: str = "1", **web: Any) -> Deployment:
    return site.deployment(
        version,
        images={"web": site.image("web", image)},
        networks={"mesh": {"driver": "overlay"}},
        services={"web": {"networks": ["mesh"], "replicas": 2, **web}},
    )


def told(plan: Plan) -> list[str]:
    names = ("container", "service", "network")
    about = [
        next((getattr(step.action, name) for name in names if hasattr(step.action, name)), "") for step in plan.steps
    ]
    return [f"{step.action.kind} {name}: {'; '.join(step.why)}" for name, step in zip(about, plan.steps, strict=True)]


def test_a_first_apply_pushes_drafts_and_creates_and_then_there_is_nothing_left(site: FakeSite) -> None:
    plan = site.plan(shop(site))

    assert told(plan) == [
        "push : not in the registry registry:5000: shop/web:1",
        "network mesh: missing",
        "service draft web: made ready beside",
        "create service web: missing",
    ]
    assert plan.steps[0].bytes > 0
    site.apply(shop(site))
    assert site.plan(shop(site)) == Plan()
    assert set(site.observe().engines["one"].swarm.files) == set()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"image": "2"}, "image changed"),
        ({"replicas": 3}, "2 replicas become 3"),
        ({"env": {"A": "b"}}, "env A added"),
        ({"placement": {"constraints": ["node.role == worker"]}}, "placement added"),
        ({"files": [{"path": "/etc/a", "content": b"a", "digest": digest_of(b"a")}]}, "file /etc/a added"),
    ],
    ids=str,
)
def test_every_change_is_told(site: FakeSite, change: dict[str, Any], why: str) -> None:
    site.apply(shop(site))

    last = site.plan(shop(site, "2024.2", **change)).steps[-1]
    assert isinstance(last.action, UpdateService)
    assert last.why == (why,)


def test_what_somebody_changed_by_hand_is_drift(site: FakeSite) -> None:
    site.apply(shop(site))
    swarm = site.daemons["one"].swarm
    found = swarm.services["web"]
    swarm.change(found, replace(found.spec, service=found.spec.service.model_copy(update={"replicas": 1})))
    site.clock.sleep(5)

    assert told(site.plan(shop(site))) == [
        "service draft web: made ready beside",
        "update service web: drift: replicas edited by hand",
    ]


def test_a_registry_that_lost_its_images_gets_them_again(site: FakeSite) -> None:
    site.apply(shop(site))
    site.daemons["one"].swarm.registry.clear()

    assert told(site.plan(shop(site))) == ["push : not in the registry registry:5000: shop/web:1"]


def test_a_registry_of_the_release_comes_before_the_push(site: FakeSite) -> None:
    site.daemons["one"].swarm.registry_fault = "the registry registry:5000 cannot be reached"
    release = site.deployment(
        images={"web": site.image("web"), "store": site.image("store")},
        containers={"store": {}},
        services={"web": {"registry": "store"}},
    )

    plan = site.plan(release)
    assert plan.obstacles == ()
    kinds = [step.action.kind for step in plan.steps]
    assert kinds.index("create") < kinds.index("push") < kinds.index("create service")
    assert plan.steps[kinds.index("push")].phase is Phase.SWITCH
    assert plan.steps[kinds.index("push")].needs == (kinds.index("create"),)


def test_who_needs_a_service_waits_for_it(site: FakeSite) -> None:
    release = site.deployment(
        images={"web": site.image("web"), "front": site.image("front"), "seed": site.image("seed")},
        containers={"front": {"after": ["web"]}},
        services={"web": {}},
        tasks={"seed": {"container": {"command": ["true"]}, "schedule": {"before": ["web"]}}},
    )

    kinds = [step.action.kind for step in site.plan(release).steps]
    assert kinds.index("task") < kinds.index("create service") < kinds.index("create")


def test_one_that_left_the_release_frees_its_ports_first(site: FakeSite) -> None:
    port = [{"container": 80, "port": 80}]
    site.apply(shop(site, ports=port))

    renamed = site.deployment("2", images={"api": site.image("web")}, services={"api": {"ports": port}})
    plan = site.plan(renamed)
    assert told(plan)[-2:] == ["remove service web: not in the release", "create service api: missing"]
    assert plan.steps[-1].needs[-1] == len(plan.steps) - 2


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("worker", "the engine is a worker of its swarm, not a manager"),
        ("registry", "the registry does not answer"),
        (
            "nodes",
            "web wants 2 containers, at most 1 on each; 1 of 3 nodes can be used for it (n2 is down, n3 is down)",
        ),
        ("placement", "service web wants 2 containers; 0 of 3 nodes can be used for it"),
        ("foreign", "a service web exists that is not ours"),
        ("mode", "service web would change its mode"),
        ("protect", "web has to be updated (2 replicas become 1), but is protected"),
    ],
)
def test_what_is_in_the_way_is_told_with_numbers(site: FakeSite, fault: str, message: str) -> None:
    swarm = site.daemons["one"].swarm
    release = shop(site)
    match fault:
        case "worker":
            swarm.fault = "the engine is a worker of its swarm, not a manager"
        case "registry":
            swarm.registry_fault = "the registry does not answer"
        case "nodes":
            release = shop(site, placement={"max_per_node": 1})
            swarm.nodes[1:] = [Node(name, name, ready=False) for name in ("n2", "n3")]
        case "placement":
            release = shop(site, placement={"constraints": ["node.labels.rack == 7"]})
        case "foreign":
            site.apply(release)
            spec = swarm.services["web"].spec
            swarm.services["web"].spec = replace(spec, labels=replace(spec.labels, product="other"))
        case "mode":
            site.apply(release)
            release = shop(site, mode="global", replicas=1)
        case "protect":
            site.apply(release)
            release = shop(site, replicas=1, protect="replace")

    assert any(message in obstacle.message for obstacle in site.plan(release).obstacles), site.plan(release).obstacles


def test_a_lost_node_is_a_warning_while_enough_are_left(site: FakeSite) -> None:
    site.apply(shop(site))
    swarm = site.daemons["one"].swarm
    swarm.nodes[:] = [Node(f"n{n}", f"n{n}", ready=n < 3, manager=True) for n in (1, 2, 3)]

    release = shop(site, "2024.2", replicas=4)
    assert site.plan(release).obstacles == ()
    assert list(swarm_warnings(View(release, site.observe(release)), "one")) == [
        "one: 2 of 3 nodes can be used; down: n3",
        "one: 2 of 3 managers answer; with one less the swarm takes no change any more",
    ]


def test_containers_of_a_swarm_are_not_told_as_strangers(site: FakeSite) -> None:
    site.apply(shop(site))

    assert site.plan(shop(site), Wishes()).notices == ()
