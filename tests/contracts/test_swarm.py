"""What every Swarm promises, so that planning and applying need to know only one."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from agent.labels import Owner
from agent.planning.swarm.services import service_drift
from bundle_format.errors import TargetError
from bundle_format.release.deployment import Network
from bundle_format.release.fittings import RenderedFile
from tests.contracts.labs import labels, small_image
from tests.contracts.swarm_labs import FakeSwarmLab, RealSwarmLab, SwarmLab, drafts, place, run, service, until
from tests.engines import PrivateEngine, missing
from tests.images import Shelf
from tests.registries import PrivateRegistry
from tests.registries import missing as no_registry

OURS, THEIRS = "10.231.8.1", "10.231.8.2"
FAILING = {"test": ["CMD", "false"], "interval": 1, "retries": 1}
PASSING = {"test": ["CMD", "true"], "interval": 1, "retries": 1}


@pytest.fixture(scope="module")
def real() -> Iterator[tuple[PrivateEngine, PrivateRegistry]]:
    if why := missing() or no_registry():
        pytest.skip(why)
    with PrivateEngine(f"--insecure-registry={OURS}/32") as private:
        private.link(f"{OURS}/30", f"{THEIRS}/30")
        with PrivateRegistry(address=OURS) as registry:
            private.docker("swarm", "init", "--advertise-addr", THEIRS)
            yield private, registry


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.engine)])
def swarm(request: pytest.FixtureRequest) -> Iterator[SwarmLab]:
    if request.param == "fake":
        yield FakeSwarmLab()
        return
    with ExitStack() as closing:
        lab = RealSwarmLab(*request.getfixturevalue("real"), closing)
        closing.callback(lab.clear)
        yield lab


def test_images_go_to_the_registry_once_and_only_what_it_lacks(swarm: SwarmLab, shelf: Shelf) -> None:
    engine = swarm.engine()
    one, two = small_image(shelf, "shop/one:1"), small_image(shelf, "shop/two:1")
    assert engine.swarm.lacking([one, two]) == {one.manifest, two.manifest}

    place(engine, shelf, service(), one)
    place(engine, shelf, service(), two)
    shelf.opened.clear()
    place(engine, shelf, service(), two)

    assert engine.swarm.lacking([one, two]) == frozenset()
    assert shelf.opened == []


def test_a_draft_runs_nowhere_and_becomes_a_service_once(swarm: SwarmLab, shelf: Shelf) -> None:
    engine, image = swarm.engine(), small_image(shelf)
    wanted = service(replicas=2, env={"A": "b"}, placement={"constraints": ["node.role == manager"]})
    made = place(engine, shelf, wanted, image)
    assert (engine.observe().swarm.services, drafts(engine.observe())) == ((), {"web.floto-new"})

    engine.swarm.create("web")
    engine.swarm.create("web")
    state = until(swarm, engine)

    assert (state.running, state.wanted, state.labels) == (2, 2, made)
    assert list(service_drift(wanted, engine.swarm.reference(image), state)) == []
    assert engine.observe().swarm.service("web") == state
    engine.swarm.clear(())
    assert engine.observe().swarm.files == {}


def test_an_update_keeps_the_way_back(swarm: SwarmLab, shelf: Shelf) -> None:
    engine, image = swarm.engine(), small_image(shelf)
    before = run(swarm, engine, shelf, service(env={"A": "1"}), image)
    made = place(engine, shelf, service(env={"A": "2"}), image, "t2")

    engine.swarm.update("web", anew=False)
    engine.swarm.update("web", anew=False)
    state = until(swarm, engine)
    assert before.labels
    assert (state.labels, state.before, state.settings.env) == (made, before.labels.digest, {"A": "2"})

    with pytest.raises(TargetError, match="does not know any more"):
        engine.swarm.put_back("web", "sha256:another")
    engine.swarm.put_back("web", before.labels.digest)
    state = until(swarm, engine)
    assert (state.labels, state.settings.env) == (before.labels, {"A": "1"})


def test_an_update_that_fails_is_taken_back_by_the_swarm_itself(swarm: SwarmLab, shelf: Shelf) -> None:
    engine, image = swarm.engine(), small_image(shelf)
    before = run(swarm, engine, shelf, service(healthcheck=PASSING), image)
    place(engine, shelf, service(healthcheck=FAILING), image, "t2")

    engine.swarm.update("web", anew=False)
    for _ in range(200):
        state = engine.swarm.service("web")
        if state and state.update == "rollback_completed":
            break
        swarm.pass_time(0.25)

    state = until(swarm, engine)
    assert (state.labels, state.update) == (before.labels, "rollback_completed")


def test_containers_are_made_anew_where_that_is_asked_for(swarm: SwarmLab, shelf: Shelf) -> None:
    engine, image = swarm.engine(), small_image(shelf)
    run(swarm, engine, shelf, service(), image)
    place(engine, shelf, service(), image, "t2")

    engine.swarm.update("web", anew=True)

    state = engine.swarm.service("web")
    assert state and not state.well
    assert until(swarm, engine).update == "completed"


def test_one_that_goes_stops_first_and_can_be_put_back(swarm: SwarmLab, shelf: Shelf) -> None:
    engine, image = swarm.engine(), small_image(shelf)
    before = run(swarm, engine, shelf, service(ports=[{"container": 80, "port": 8080}]), image)
    assert before.labels

    engine.swarm.set_aside("web", "t2")
    engine.swarm.set_aside("web", "t2")
    state = until(swarm, engine)
    assert (state.running, state.aside, state.settings.ports) == (0, "t2", ())

    engine.swarm.put_back("web", before.labels.digest)
    state = until(swarm, engine)
    assert (state.running, state.aside, state.settings.ports) == (1, "", ("8080:80/tcp ingress",))

    engine.swarm.remove("web")
    engine.swarm.remove("web")
    engine.swarm.set_aside("web", "t3")
    assert engine.swarm.service("web") is None


def test_a_global_one_runs_on_every_node_and_can_be_set_aside(swarm: SwarmLab, shelf: Shelf) -> None:
    engine, image = swarm.engine(), small_image(shelf)
    state = run(swarm, engine, shelf, service(mode="global"), image)
    assert (state.running, state.settings.replicas) == (1, None)
    assert state.labels

    engine.swarm.set_aside("web", "t2")
    for _ in range(100):
        found = engine.swarm.service("web")
        if found and found.running == 0:
            break
        swarm.pass_time(0.25)
    engine.swarm.put_back("web", state.labels.digest)
    assert until(swarm, engine).running == 1


def test_files_are_named_by_what_they_hold_and_stay_while_they_are_used(swarm: SwarmLab, shelf: Shelf) -> None:
    engine, image = swarm.engine(), small_image(shelf)
    files = [
        RenderedFile(path="/etc/app.conf", content=b"a = 1", digest="sha256:1"),
        RenderedFile(path="/etc/key", content=b"hunter2", digest="hmac-sha256:2", sealed=True, mode=0o400),
    ]
    state = run(swarm, engine, shelf, service(files=files), image)
    assert len(set(state.settings.files)) == 2
    engine.swarm.clear(())
    assert set(engine.observe().swarm.files) == set(state.settings.files)

    other = RenderedFile(path="/etc/app.conf", content=b"a = 2", digest="sha256:3")
    place(engine, shelf, service(files=[other, files[1]]), image, "t2")
    assert len(engine.observe().swarm.files) == 4
    engine.swarm.clear((), "t2")
    assert set(engine.observe().swarm.files) == set(state.settings.files)
    assert "hunter2" not in str(engine.observe())


def test_what_others_made_is_left_alone(swarm: SwarmLab, shelf: Shelf) -> None:
    engine, image = swarm.engine(), small_image(shelf)
    run(swarm, engine, shelf, service(), image)
    stranger = swarm.engine(Owner("other", "krakow-1"))

    for verb in (
        lambda: stranger.swarm.set_aside("web", "t2"),
        lambda: stranger.swarm.remove("web"),
        lambda: stranger.swarm.put_back("web", "sha256:0"),
        lambda: stranger.swarm.create("web"),
    ):
        with pytest.raises(TargetError, match=r"not ours|not made by floto"):
            verb()
    stranger.swarm.clear(())
    assert drafts(engine.observe()) == {"web.floto-new"}
    assert until(swarm, engine).running == 1


def test_services_meet_on_a_network_of_the_swarm(swarm: SwarmLab, shelf: Shelf) -> None:
    engine, image = swarm.engine(), small_image(shelf)
    mesh = Network(name="mesh", driver="overlay")
    engine.ensure_network(mesh, labels("mesh"))
    run(swarm, engine, shelf, service(networks=["mesh"], endpoint="dnsrr"), image)

    found = next(network for network in engine.observe().networks if network.name == "mesh")
    assert (found.driver, found.labels) == ("overlay", labels("mesh"))


def test_what_a_service_writes_can_be_read(swarm: SwarmLab, shelf: Shelf) -> None:
    engine = swarm.engine()
    image = small_image(shelf, Cmd=["sh", "-c", "echo begun; sleep 1000"])
    if isinstance(swarm, FakeSwarmLab):
        image = small_image(shelf)
    run(swarm, engine, shelf, service(), image)

    for _ in range(20):
        lines = list(engine.swarm.logs("web", follow=False, since=None, tail=None))
        if lines:
            break
        swarm.pass_time(0.25)
    assert [(line.container, line.text) for line in lines] == [("web", "begun")]


def test_an_engine_in_no_swarm_says_so(shelf: Shelf, lab: object) -> None:
    engine = lab.engine()  # type: ignore[attr-defined]

    assert "in no swarm" in engine.observe().swarm.fault
    with pytest.raises(TargetError):
        engine.swarm.create("web")
