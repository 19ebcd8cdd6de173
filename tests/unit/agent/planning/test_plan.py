"""Plans: what is done to a site and why, from values alone."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.history import Backup
from agent.labels import Labels, Owner
from agent.planning.plan import make_plan
from agent.planning.view import Wishes
from agent.report.plan import plan_lines
from agent.state import SiteState
from agent.steps import Plan, Replace
from bundle_format.digest import digest_of
from bundle_format.release.deployment import Deployment
from bundle_format.release.fields import Sealed
from tests.fakes import FakeEngine
from tests.sites import FakeSite

DATA = [{"kind": "volume", "volume": "data", "path": "/data"}]
NET = [{"network": "net"}]
SLEEP = {"test": ["CMD", "true"], "interval": 1}


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    return FakeSite(tmp_path)


def shop(site: FakeSite, version: str = "2024.1", **web: Any) -> Deployment:
    """A database with a volume and a front that waits for it."""
    return site.deployment(
        version,
        images={"web": site.image("web"), "web2": site.image("web", "2"), "db": site.image("db")},
        networks={"net": {}},
        volumes={"data": {}},
        containers={"db": {"mounts": DATA, "networks": NET}, "web": {"after": ["db"], "networks": NET, **web}},
    )


def migrating(site: FakeSite, version: str = "2024.1", **task: Any) -> Deployment:
    """The shop with a migration between its database and its front."""
    return site.deployment(
        version,
        images={"web": site.image("web"), "db": site.image("db")},
        volumes={"data": {}},
        containers={"db": {"mounts": DATA}, "web": {"after": ["migrate"]}},
        tasks={"migrate": {"container": {"image": "db", "command": ["true"], "after": ["db"]}, **task}},
    )


def file(content: bytes, path: str = "/etc/app.conf", **options: Any) -> dict[str, Any]:
    return {"path": path, "content": content, "digest": digest_of(content), **options}


def told(plan: Plan) -> list[str]:
    """Each step as kind, what it is about, and why."""
    lines = []
    for step in plan.steps:
        fields = step.action.model_dump()
        about = [fields[key] for key in ("container", "task", "volume", "network") if key in fields]
        lines.append(" ".join([step.action.kind, *about]) + ": " + "; ".join(step.why))
    return lines


def changes(plan: Plan) -> list[str]:
    """The steps without the drafts that go before."""
    return [line for line in told(plan) if not line.startswith("draft ")]


def test_an_empty_engine_gets_everything(site: FakeSite) -> None:
    assert told(site.plan(shop(site))) == [
        "load: not on the engine: shop/db:1, shop/web:1",
        "network net: missing",
        "volume data: missing",
        "draft db: made ready beside",
        "draft web: made ready beside",
        "create db: missing",
        "create web: missing",
    ]


def test_a_finished_site_plans_nothing(site: FakeSite) -> None:
    site.apply(shop(site))

    assert site.plan(shop(site)) == Plan()
    assert site.apply(shop(site)) is None


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ({}, {"image": "web2"}, "image changed"),
        ({}, {"env": {"A": "1"}}, "env A added"),
        ({"env": {"A": "1"}}, {"env": {"A": "2"}}, "env A changed"),
        ({"env": {"A": "1", "B": "1"}}, {"env": {"B": "1"}}, "env A removed"),
        ({}, {"files": [file(b"a")]}, "file /etc/app.conf added"),
        ({"files": [file(b"a\nb\nc\n")]}, {"files": [file(b"a\nX\nc\n")]}, "file /etc/app.conf changed: line 2"),
        ({"files": [file(b"a\nb\n")]}, {"files": [file(b"a\nX\nY\nb\n")]}, "file /etc/app.conf changed: lines 2-3"),
        ({"files": [file(b"a\nb\n")]}, {"files": [file(b"a\n")]}, "file /etc/app.conf changed: line 1"),
        ({"files": [file(b"a")]}, {"files": [file(b"a", mode=0o600)]}, "file /etc/app.conf changed: owner or mode"),
        ({"files": [file(b"a")]}, {}, "file /etc/app.conf removed"),
        ({}, {"memory": 1 << 30}, "memory added"),
        ({"stop_grace": 5}, {"stop_grace": 6}, "stop grace changed"),
        ({}, {"ports": [{"container": 80, "host": 8080}]}, "ports added"),
    ],
)
def test_a_changed_container_alone_is_replaced_and_the_plan_says_why(
    site: FakeSite, before: dict[str, Any], after: dict[str, Any], why: str
) -> None:
    site.apply(shop(site, **before))

    plan = changes(site.plan(shop(site, **after)))

    assert [line for line in plan if not line.startswith("load")] == [f"replace web: {why}"]


def test_what_only_the_agent_heeds_replaces_nothing(site: FakeSite) -> None:
    site.apply(shop(site))

    assert site.plan(shop(site, health_deadline=9, protect="stop", after=[])) == Plan()


def test_a_secret_changes_a_plan_and_is_never_in_it(site: FakeSite) -> None:
    site.apply(shop(site, env={"PASSWORD": Sealed("old-secret", b"key")}))

    plan = site.plan(shop(site, env={"PASSWORD": Sealed("new-secret", b"key")}))

    assert changes(plan) == ["replace web: env PASSWORD changed"]
    assert "secret" not in plan.model_dump_json()


def test_a_stopped_and_an_unhealthy_container_are_started_again(site: FakeSite) -> None:
    wanted = shop(site, healthcheck={"test": ["CMD", "test", "-f", "/srv/www/index.html"], "interval": 1, "retries": 2})
    site.apply(wanted)
    daemon = site.daemons["one"]
    site.engines()["one"].stop("db", 0)
    web = daemon.find("web")
    assert web
    del web.files["/srv/www/index.html"]

    assert told(site.plan(wanted)) == ["start db: stopped, exit code 137", "restart web: unhealthy"]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"memory": 7}, "drift: memory edited by hand"),
        ({"env": {}}, "drift: env PASSWORD edited by hand"),
        ({"networks": ("net", "other")}, "drift: networks edited by hand"),
        ({"mounts": ("host:/etc:/data:rw",)}, "drift: mounts edited by hand"),
    ],
)
def test_what_was_edited_by_hand_is_told_as_drift(site: FakeSite, settings: dict[str, Any], why: str) -> None:
    wanted = shop(site, env={"PASSWORD": Sealed("hunter2", b"key")})
    site.apply(wanted)
    web = site.daemons["one"].find("web")
    assert web
    for name, value in settings.items():
        object.__setattr__(web.settings, name, value)

    assert changes(site.plan(wanted)) == [f"replace web: {why}"]


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ({"memory": 64 << 20}, {"memory": 128 << 20}, "memory changed"),
        ({"cpu_millis": 500}, {"cpu_millis": 250}, "cpus changed"),
        ({}, {"restart": "always"}, "restart policy changed"),
    ],
)
def test_limits_change_in_place_and_back_and_what_was_edited_by_hand_is_told_as_drift(
    site: FakeSite, before: dict[str, Any], after: dict[str, Any], why: str
) -> None:
    one, two = shop(site, **before), shop(site, **after)
    site.apply(one)
    web = site.daemons["one"].find("web")
    assert web
    settings = web.settings

    assert changes(site.plan(two)) == [f"update web: {why}"]
    assert [step.downtime for step in site.plan(two).steps] == [0]
    site.apply(two)
    assert site.daemons["one"].find("web") is web
    assert site.plan(two) == Plan()

    web.settings = settings
    assert changes(site.plan(two)) == [f"update web: drift: {why.removesuffix('changed')}edited by hand"]
    site.apply(two)
    assert changes(site.plan(one)) == [f"update web: {why}"]
    site.apply(one)
    assert (web.settings, site.plan(one)) == (settings, Plan())


def test_limits_change_before_a_stopped_container_starts_and_with_all_else_where_it_is_replaced(site: FakeSite) -> None:
    site.apply(shop(site, memory=64 << 20))
    site.engines()["one"].stop("web", 0)

    stopped = site.plan(shop(site, memory=128 << 20))
    replaced = site.plan(shop(site, memory=128 << 20, user="7"))

    assert changes(stopped) == ["update web: memory changed", "start web: stopped, exit code 137"]
    assert stopped.steps[1].needs == (0,)
    assert changes(replaced) == ["replace web: memory changed; user added"]


def test_a_container_renamed_by_hand_gives_way_to_a_new_one(site: FakeSite) -> None:
    site.apply(shop(site))
    site.engines()["one"].rename("web", "web-old")

    assert changes(site.plan(shop(site))) == ["remove web-old: drift: web renamed by hand", "create web: missing"]


def test_a_container_that_the_release_no_longer_has_is_removed_and_its_volume_stays(site: FakeSite) -> None:
    site.apply(shop(site))
    without = site.deployment(
        "2024.2", images={"web": site.image("web")}, containers={"web": {"networks": NET}}, networks={"net": {}}
    )

    assert changes(site.plan(without)) == ["remove db: not in the release"]
    site.apply(without)
    assert site.names() == {"web"}
    assert "data" in site.daemons["one"].volumes


def test_steps_wait_for_what_they_depend_on_through_those_that_need_none(site: FakeSite) -> None:
    def chain(tag: str) -> Deployment:
        images = {"a": site.image("a", tag), "b": site.image("b"), "c": site.image("c", tag)}
        return site.deployment(images=images, containers={"c": {"after": ["b"]}, "b": {"after": ["a"]}, "a": {}})

    site.apply(chain("1"))
    plan = site.plan(chain("2"))

    assert [line for line in changes(plan) if line.startswith("replace")] == [
        "replace a: image changed",
        "replace c: image changed",
    ]
    numbers = {
        step.action.container: number for number, step in enumerate(plan.steps) if isinstance(step.action, Replace)
    }
    assert numbers["a"] in plan.steps[numbers["c"]].needs


def test_who_takes_over_a_port_or_a_volume_waits_until_it_is_free(site: FakeSite) -> None:
    port = [{"container": 80, "host": 8080}]
    images = {"web": site.image("web")}
    site.apply(
        site.deployment(images=images, volumes={"data": {}}, containers={"web": {"ports": port, "mounts": DATA}})
    )

    for taken in ({"ports": port}, {"mounts": DATA}):
        renamed = site.deployment(images=images, volumes={"data": {}}, containers={"front": {"image": "web", **taken}})
        assert changes(site.plan(renamed)) == ["remove web: not in the release", "create front: missing"]


def test_containers_that_exchange_their_ports_are_an_obstacle(site: FakeSite) -> None:
    def with_ports(one: int, two: int) -> Deployment:
        containers = {
            name: {"image": "web", "ports": [{"container": 80, "host": port}]}
            for name, port in (("c1", one), ("c2", two))
        }
        return site.deployment(images={"web": site.image("web")}, containers=containers)

    site.apply(with_ports(8081, 8082))
    plan = site.plan(with_ports(8082, 8081))

    assert plan.steps == ()
    assert "wait for each other" in plan.obstacles[0].message


def test_a_task_runs_once_for_a_release_between_what_it_waits_for_and_what_waits_for_it(site: FakeSite) -> None:
    assert changes(site.plan(migrating(site)))[-3:] == [
        "create db: missing",
        "task migrate: not run for 2024.1 yet",
        "create web: missing",
    ]
    site.apply(migrating(site))

    assert site.plan(migrating(site)) == Plan()
    assert changes(site.plan(migrating(site, "2024.2"))) == ["task migrate: not run for 2024.2 yet"]


def test_a_task_is_remembered_although_its_container_was_pruned(site: FakeSite) -> None:
    site.apply(migrating(site))
    site.engines()["one"].remove("migrate")

    assert site.plan(migrating(site)) == Plan()


def test_a_schedule_orders_a_task_like_after_does(site: FakeSite) -> None:
    plan = site.plan(
        site.deployment(
            images={"db": site.image("db")},
            containers={"web": {"image": "db"}, "db": {}},
            tasks={"seed": {"container": {"image": "db"}, "schedule": {"after": ["db"], "before": ["web"]}}},
        )
    )

    assert [line.split(":")[0] for line in changes(plan)][-3:] == ["create db", "task seed", "create web"]


def test_volumes_are_backed_up_before_a_task_that_cannot_be_undone(site: FakeSite) -> None:
    site.apply(migrating(site))
    wanted = migrating(site, "2024.2", reversible=False, backup=["data"])
    plan = site.plan(wanted)

    assert changes(plan) == ["backup data: migrate cannot be undone", "task migrate: not run for 2024.2 yet"]
    backup = next(step.action for step in plan.steps if step.action.kind == "backup")
    assert [user.name for user in backup.users] == ["db"]


def test_going_back_over_such_a_task_sets_the_volume_back_and_starts_who_used_it(site: FakeSite) -> None:
    site.apply(migrating(site))
    back = Wishes(restore=(Backup(host="one", volume="data", content=digest_of(b"x")),))

    assert changes(site.plan(migrating(site), back)) == [
        "backup data: its content is about to be set back",
        "restore data: set back to what it was before the release that is left",
        "start db: stopped to set back volume data",
    ]


def test_a_protected_container_is_an_obstacle_until_a_person_lifts_it(site: FakeSite) -> None:
    site.apply(shop(site, protect="replace"))
    wanted = shop(site, protect="replace", env={"A": "1"})

    assert [obstacle.message for obstacle in site.plan(wanted).obstacles] == [
        "web has to be replaced (env A added), but is protected (protect = replace)"
    ]
    assert site.plan(wanted, Wishes(unprotect=frozenset({"web"}))).obstacles == ()


def test_protection_outlives_the_release_that_gave_it(site: FakeSite) -> None:
    site.apply(shop(site, protect="stop"))
    without = site.deployment(
        "2024.2", images={"db": site.image("db")}, containers={"db": {"mounts": DATA}}, volumes={"data": {}}
    )

    assert "protect = stop" in site.plan(without).obstacles[0].message


def test_what_is_not_ours_is_shown_and_left_alone(site: FakeSite) -> None:
    site.daemons["one"].add_foreign("legacy")
    wanted = site.deployment(
        images={"web": site.image("web")}, containers={"legacy": {"image": "web", "external": True}}
    )
    plan = site.plan(wanted)

    assert plan.steps == ()
    assert plan.notices == ("one: legacy is external: running", "one: not ours, left alone: legacy")


def test_a_name_a_network_and_a_volume_of_others_are_obstacles_told_together(site: FakeSite) -> None:
    site.daemons["one"].add_foreign("web")
    wanted, others = shop(site), Owner("other", "krakow-1")
    engine = FakeEngine(site.daemons["one"], "one", others)
    labels = Labels(others.product, others.site, "one", "x", "1", "{}", "-", "t0")
    engine.ensure_network(wanted.networks["net"], labels)
    engine.ensure_volume(wanted.volumes["data"], labels)

    assert [obstacle.message for obstacle in site.plan(wanted).obstacles] == [
        "one: the name web belongs to a container that is not ours",
        "one: a network net exists that is not ours but other's at site krakow-1",
        "one: a volume data exists that is not ours but other's at site krakow-1",
    ]


def test_what_was_made_under_another_name_of_the_site_is_told_so(site: FakeSite) -> None:
    site.apply(shop(site))
    moved = shop(site).model_copy(update={"site": "krakow-2"})

    [name, *_] = site.plan(moved).obstacles

    assert name.message.endswith("a container that is not ours but shop's at site krakow-1")
    assert 'write site = "krakow-1" again' in name.hint


def test_a_network_that_no_engine_can_change_is_an_obstacle(site: FakeSite) -> None:
    site.apply(shop(site))
    wanted = shop(site)
    wanted.networks["net"] = wanted.networks["net"].model_copy(update={"subnet": "10.9.0.0/24"})

    assert "network net would change its subnet" in site.plan(wanted).obstacles[0].message


def test_only_what_was_named_is_planned(site: FakeSite) -> None:
    wanted = shop(site)

    assert changes(site.plan(wanted, Wishes(only=frozenset({"db"}))))[-1:] == ["create db: missing"]
    assert "create web: missing" in changes(site.plan(wanted, Wishes(only=frozenset({"one"}))))


def test_what_is_asked_for_anew_is_replaced_although_it_is_right(site: FakeSite) -> None:
    site.apply(shop(site))

    assert changes(site.plan(shop(site), Wishes(anew=frozenset({"web"})))) == ["replace web: asked for"]


def test_a_container_that_moves_is_removed_where_it_was_before_it_starts_elsewhere(tmp_path: Path) -> None:
    site = FakeSite(tmp_path, "one", "two")
    images = {"web": site.image("web")}
    site.apply(site.deployment(images=images, containers={"web": {"host": "one"}}))
    plan = site.plan(site.deployment(images=images, containers={"web": {"host": "two"}}))

    assert [line for line in changes(plan) if not line.startswith("load")] == [
        "remove web: moves to host two",
        "create web: missing",
    ]


def test_hosts_that_share_an_engine_load_an_image_once(tmp_path: Path) -> None:
    site = FakeSite(tmp_path, "one", "two")
    site.daemons["two"] = site.daemons["one"]
    images = {"web": site.image("web")}
    containers = {"web1": {"host": "one", "image": "web"}, "web2": {"host": "two", "image": "web"}}
    wanted = site.deployment(images=images, containers=containers)

    assert [step.action.kind for step in site.plan(wanted).steps].count("load") == 1
    site.apply(wanted)
    assert site.plan(wanted) == Plan()


def test_an_engine_that_does_not_answer_is_an_obstacle_unless_the_plan_is_about_others(tmp_path: Path) -> None:
    site = FakeSite(tmp_path, "one", "two")
    site.daemons["two"].up = False
    images = {"web": site.image("web")}
    wanted = site.deployment(
        images=images, containers={"web1": {"image": "web"}, "web2": {"image": "web", "host": "two"}}
    )

    [obstacle] = site.plan(wanted).obstacles
    assert "two: the engine cannot be reached" in obstacle.message
    assert "leave two out by naming the others" in obstacle.hint
    assert site.plan(wanted, Wishes(only=frozenset({"one"}))).obstacles == ()

    site.daemons["one"].up = False
    assert {obstacle.hint for obstacle in site.plan(wanted).obstacles} == {"Mend it."}, "no other host answers"


def test_leftovers_of_an_earlier_apply_are_discarded_but_never_the_last_of_a_name(site: FakeSite) -> None:
    site.apply(shop(site))
    engine = site.engines()["one"]
    engine.stop("web", 0)
    engine.rename("web", "web.floto-old")

    assert changes(site.plan(shop(site))) == ["create web: missing"]
    site.apply(shop(site))
    assert changes(site.plan(shop(site))) == ["discard web.floto-old: left behind by an earlier apply"]


def test_five_hundred_containers_on_fifty_hosts_are_planned_within_a_second(tmp_path: Path) -> None:
    site = FakeSite(tmp_path, *(f"h{number:02}" for number in range(50)))
    containers = {f"c{number:03}": {"host": f"h{number % 50:02}", "image": "web"} for number in range(500)}
    wanted = site.deployment(images={"web": site.image("web")}, containers=containers)
    state = SiteState({host: engine.observe() for host, engine in site.engines().items()})
    began = time.process_time()

    assert len(make_plan(wanted, state).steps) == 1050
    assert time.process_time() - began < 1


def with_host_steps(site: FakeSite, *chain: str) -> Deployment:
    """A web server, on a host that needs steps, each after the one before it."""
    steps = {
        name: {
            "name": name,
            "host": "one",
            "run": ["touch", f"/{name}"],
            "unless": ["test", "-e", f"/{name}"],
            "after": chain[:place][-1:],
        }
        for place, name in enumerate(chain)
    }
    return site.deployment(images={"web": site.image("web")}, containers={"web": {}}, host_steps=steps)


def test_host_steps_come_in_their_order_before_any_container_with_their_commands_to_the_letter(site: FakeSite) -> None:
    wanted = with_host_steps(site, "disk", "swap", "mount")
    site.daemons["one"].paths.add("/swap")

    plan = site.plan(wanted)

    assert changes(plan)[1:3] == [
        "host_step: touch /disk; not done yet: test -e /disk ended with 1",
        "host_step: touch /mount; not done yet: test -e /mount ended with 1",
    ]
    assert plan.steps[2].needs == (1,)
    draft = next(step for step in plan.steps if step.action.kind == "draft")
    assert {plan.steps[number].action.kind for number in draft.needs} == {"host_step"}
    assert "  do host step disk: touch /disk; not done yet: test -e /disk ended with 1" in list(plan_lines(plan))


def test_a_host_step_that_nobody_can_do_or_ask_for_is_an_obstacle(site: FakeSite) -> None:
    wanted = with_host_steps(site, "disk")
    seen = site.observe(wanted)
    remote = SiteState({"one": replace(seen.engines["one"], has_shell=False)})
    assert "there is no way to it" in make_plan(wanted, remote).obstacles[0].message

    mute = SiteState(seen.engines, checks={"disk": "one: it has not ended after 600 s"})
    assert "its check could not be asked: one: it has" in make_plan(wanted, mute).obstacles[0].message
