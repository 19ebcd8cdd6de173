"""What every Engine promises, so that planning and applying need to know only one."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from agent.labels import Adopted, Labels, Owner
from agent.planning.reasons import drift, limits_of
from agent.state import Checked, EngineState
from agent.steps import Limits
from agent.targets.engine import Engine, LogLine
from bundle_format.errors import TargetError
from bundle_format.progress import Silence
from bundle_format.release.deployment import Network, Volume
from bundle_format.release.fittings import RenderedFile
from bundle_format.release.model import Image
from tests.contracts.labs import BASE, Lab, labels, small_image, wait_for, web
from tests.images import Shelf, make_image


def load(engine: Engine, shelf: Shelf, *images: Image) -> list[str]:
    held = engine.load_images(images, shelf, Silence())
    return [held[image.config] for image in images]


def file(path: str, content: bytes, mode: int = 0o644) -> RenderedFile:
    return RenderedFile(path=path, content=content, digest="sha256:0", mode=mode)


DATA = {"kind": "volume", "volume": "data", "path": "/data"}


def our_names(state: EngineState) -> set[str]:
    return {container.name for container in state.containers if container.labels}


def test_a_fresh_engine_has_nothing_of_ours(lab: Lab) -> None:
    state = lab.engine().observe()

    assert state.host == "one"
    assert state.facts.architecture == "amd64"
    assert state.facts.api >= (1, 41)
    assert abs(state.facts.skew) <= 2
    assert state.space and 0 < state.space.free <= state.space.total
    assert state.listening is not None
    assert (state.containers, state.images, state.volumes) == ((), (), ())
    assert {"bridge", "host", "none"} == {network.name for network in state.networks}


class TestImages:
    def test_arrive_under_their_signed_digest_without_a_tag(self, lab: Lab, shelf: Shelf) -> None:
        engine, image = lab.engine(), small_image(shelf)

        [held] = load(engine, shelf, image)

        state = engine.observe()
        assert state.image_id(image) == held
        assert [(known.layers, known.tags) for known in state.images] == [(image.layers, ())]

    def test_loaded_again_read_nothing(self, lab: Lab, shelf: Shelf) -> None:
        engine, image = lab.engine(), small_image(shelf)
        first = load(engine, shelf, image)
        shelf.opened.clear()

        assert load(engine, shelf, image) == first
        assert shelf.opened == []

    def test_of_one_release_share_what_they_have_in_common(self, lab: Lab, shelf: Shelf) -> None:
        images = [small_image(shelf, f"shop/web:{number}") for number in range(4)]

        load(lab.engine(), shelf, *images)

        if lab.engine().observe().facts.store == "classic":
            assert shelf.opened.count(images[0].layers[0]) == 1
        assert all(lab.engine().observe().image_id(image) for image in images)

    def test_are_named_by_tags_that_move(self, lab: Lab, shelf: Shelf) -> None:
        engine = lab.engine()
        old, new = load(engine, shelf, small_image(shelf, "shop/web:1"), small_image(shelf, "shop/web:2"))

        engine.tag(old, "shop/web:current")
        engine.tag(new, "shop/web:current")
        engine.tag(new, "shop/web:current")

        tags = {image.id: image.tags for image in engine.observe().images if image.id in (old, new)}
        assert tags[new] == ("shop/web:current",)
        assert tags.get(old, ()) == ()

    def test_go_only_when_nobody_needs_them(self, lab: Lab, shelf: Shelf) -> None:
        engine, image = lab.engine(), small_image(shelf)
        [held] = load(engine, shelf, image)
        engine.tag(held, "shop/web:1")
        engine.create_container(web(), "web", labels(), held)

        engine.remove_image(held, ["shop/web:1"])
        assert engine.observe().image_id(image) == held

        engine.remove("web")
        engine.remove_image(held, ["shop/web:1"])
        engine.remove_image(held, ["shop/web:1"])
        assert engine.observe().image_id(image) is None

    def test_that_others_tagged_stay(self, lab: Lab, shelf: Shelf) -> None:
        engine, image = lab.engine(), small_image(shelf)
        [held] = load(engine, shelf, image)
        engine.tag(held, "shop/web:1")
        engine.tag(held, "theirs:1")

        engine.remove_image(held, ["shop/web:1"])

        assert [known.tags for known in engine.observe().images] == [("theirs:1",)]

    def test_that_rotted_are_found_out(self, lab: Lab, shelf: Shelf) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        assert engine.check_image(held)

        lab.damage(held)
        assert not engine.check_image(held)

    def test_whose_layers_are_others_are_refused(self, lab: Lab, shelf: Shelf) -> None:
        engine, image = lab.engine(), small_image(shelf)
        with shelf.open(image.layers[1]) as stream:
            truth = stream.read()
        shelf.lie(image.layers[1], b"x" * len(truth))

        for _ in range(2):
            with pytest.raises(TargetError):
                load(engine, shelf, image)
            assert engine.observe().image_id(image) is None

        shelf.lie(image.layers[1], truth)
        [held] = load(engine, shelf, image)
        assert engine.check_image(held)


class TestOfOthers:
    """Nothing is changed that somebody else made, until it is adopted."""

    def test_a_container_is_left_alone_until_it_is_adopted_by_its_id(self, lab: Lab) -> None:
        adopted = Adopted(host="one", kind="container", key=lab.add_foreign("web"))
        other = Adopted(host="two", kind="container", key=lab.add_foreign("db"))
        engine = lab.engine()
        for change in (partial(engine.stop, "web", 0), partial(engine.rename, "web", "old")):
            with pytest.raises(TargetError):
                change()

        engine.adopt([adopted, other])
        engine.stop("web", 0)
        engine.rename("web", "old")
        engine.start("old")
        engine.stop("old", 0)
        engine.remove("old")
        with pytest.raises(TargetError):
            engine.stop("db", 0)

        assert [(found.name, found.running) for found in engine.observe().containers] == [("db", True)]
        again = lab.add_foreign("web")
        with pytest.raises(TargetError):
            engine.stop(again, 0)

    def test_a_volume_and_a_network_are_used_as_they_are_once_they_are_adopted(self, lab: Lab) -> None:
        lab.add_foreign_grounds("front", "data")
        engine = lab.engine()
        [network] = [found for found in engine.observe().networks if found.name == "front"]
        with pytest.raises(TargetError):
            engine.ensure_volume(Volume(name="data"), labels("data"))
        with pytest.raises(TargetError):
            engine.ensure_network(Network(name="front"), labels("front"))

        engine.adopt(
            [Adopted(host="one", kind="volume", key="data"), Adopted(host="one", kind="network", key=network.id)]
        )
        engine.ensure_volume(Volume(name="data", uid=7), labels("data"))
        engine.ensure_network(Network(name="front"), labels("front"))
        kept = b"".join(engine.read_volume("data"))
        engine.write_volume("data", iter([kept]))

        assert b"".join(engine.read_volume("data")) == kept
        state = engine.observe()
        assert [(found.name, found.labels) for found in state.volumes] == [("data", None)]
        assert [found for found in state.networks if found.name == "front"] == [network]


class TestContainers:
    def test_are_drafted_with_their_files_and_do_not_run(self, lab: Lab, shelf: Shelf) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))

        made = engine.create_container(
            web(files=(file("/etc/shop/web.conf", b"port 80\n"),)), "web-draft", labels(), held
        )

        state = engine.inspect("web-draft")
        assert state and (state.id, state.status, state.started) == (made, "created", 0)
        assert (state.labels, state.image) == (labels(), held)
        assert engine.read_file(made, "/etc/shop/web.conf", 100) == b"port 80\n"
        assert engine.read_file(made, "/etc/shop/web.conf", 3) is None
        assert engine.read_file(made, "/etc/shop", 100) is None
        assert engine.read_file(made, "/etc/nothing", 100) is None

    def test_report_how_they_are_set_up(self, lab: Lab, shelf: Shelf) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf, Env=["PATH=/bin", "LEVEL=image"], WorkingDir="/srv", User="7"))
        engine.ensure_network(Network(name="front"), labels("front"))
        engine.ensure_volume(Volume(name="data"), labels("data"))
        mounts = (
            {"kind": "volume", "volume": "data", "path": "/data", "read_only": True},
            {"kind": "host", "source": "/tmp", "path": "/host"},
            {"kind": "tmpfs", "path": "/scratch", "size": 1 << 20},
        )
        wish = web(
            env={"LEVEL": "site"},
            command=("sleep", "9"),
            networks=({"network": "front"},),
            mounts=mounts,
            ports=({"container": 80, "host": 8080, "address": "127.0.0.1"},),
            memory=64 << 20,
            cpu_millis=500,
            restart="on-failure",
        )

        engine.create_container(wish, "web", labels(), held)

        state = engine.inspect("web")
        assert state and state.ports == wish.ports
        settings = state.settings
        assert settings.env == {"PATH": "/bin", "LEVEL": "site"}
        assert (settings.command, settings.entrypoint) == (("sleep", "9"), ())
        assert (settings.user, settings.workdir, settings.restart) == ("7", "/srv", "on-failure")
        assert (settings.memory, settings.cpu_millis) == (64 << 20, 500)
        assert (settings.privileged, settings.read_only) == (False, False)
        assert settings.networks == ("front",)
        assert settings.mounts == ("host:/tmp:/host:rw", "tmpfs::/scratch:rw", "volume:data:/data:ro")

    @pytest.mark.parametrize(
        "wish",
        [
            {},
            {"network_mode": "host"},
            {"network_mode": "none"},
            {"networks": ({"network": "front", "aliases": ("www",)}, {"network": "back"})},
            {"env": {"EMPTY": "", "EQUAL": "a=b", "LINES": "a\nb"}},
            {"entrypoint": ("sleep",), "command": ("60",)},
            {"entrypoint": ()},
            {"workdir": "/srv/www/", "user": "70:71", "hostname": "box"},
            {"mounts": ({**DATA, "path": "/data/"}, {"kind": "host", "source": "/tmp/", "path": "/host/"})},
            {"mounts": ({"kind": "tmpfs", "path": "/scratch"},), "read_only": True},
            {"memory": 7 << 20, "cpu_millis": 10, "shm_size": 1 << 20, "restart": "on-failure"},
            {"files": (file("/etc/a", b"a"),), "read_only": True},
        ],
    )
    def test_that_nobody_changed_show_no_drift(self, lab: Lab, shelf: Shelf, wish: dict[str, object]) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf, Env=["PATH=/bin", "EMPTY=no"], Volumes={"/var/spool": {}}))
        for network in ("front", "back"):
            engine.ensure_network(Network(name=network), labels(network))
        engine.ensure_volume(Volume(name="data"), labels("data"))
        container = web(**wish)

        engine.create_container(container, "web", labels(), held)
        drafted = engine.inspect("web")
        engine.start("web")
        running = engine.inspect("web")
        engine.stop("web", 0)
        stopped = engine.inspect("web")

        for state in (drafted, running, stopped):
            assert state and list(drift(container, held, state)) == []

    def test_take_the_place_of_a_draft_that_was_cut_short(self, lab: Lab, shelf: Shelf) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        first = engine.create_container(web(), "web-draft", labels(transaction="t1"), held)

        second = engine.create_container(web(), "web-draft", labels(transaction="t2"), held)

        assert second != first
        assert [state.labels for state in engine.observe().containers] == [labels(transaction="t2")]

    def test_never_take_the_place_of_one_that_has_run(self, lab: Lab, shelf: Shelf) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        first = engine.create_container(web(), "web", labels(), held)
        engine.start("web")
        engine.stop("web", 0)

        with pytest.raises(TargetError):
            engine.create_container(web(), "web", labels(), held)

        assert [state.id for state in engine.observe().containers] == [first]

    @pytest.mark.parametrize("missing", ["image", "network", "volume"])
    def test_need_what_they_stand_on(self, lab: Lab, shelf: Shelf, missing: str) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        wish = {
            "image": web(),
            "network": web(networks=({"network": "front"},)),
            "volume": web(mounts=(DATA,)),
        }[missing]

        with pytest.raises(TargetError):
            engine.create_container(wish, "web", labels(), "sha256:" + "0" * 64 if missing == "image" else held)

        state = engine.observe()
        assert (state.containers, state.volumes) == ((), ())

    def test_start_stop_and_go_as_often_as_asked(self, lab: Lab, shelf: Shelf) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        engine.create_container(web(), "web", labels(), held)

        engine.start("web")
        engine.start("web")
        running = engine.inspect("web")
        assert running and running.running and running.started > 0 and running.health == "none"

        with pytest.raises(TargetError):
            engine.remove("web")

        engine.stop("web", 0)
        engine.stop("web", 0)
        stopped = engine.inspect("web")
        assert stopped and (stopped.status, stopped.exit_code) == ("exited", 137)

        engine.remove("web")
        engine.remove("web")
        engine.stop("web", 0)
        assert engine.inspect("web") is None

    @pytest.mark.parametrize(
        "wish",
        [
            {"files": (file("/etc/shop/web.conf", b"port 80\n"),), "env": {"LEVEL": "site"}, "hostname": "box"},
            {"files": (file("/etc/shop/web.conf", b"port 80\n"),), "read_only": True, "memory": 64 << 20},
            {"networks": ({"network": "front", "aliases": ("www",)}, {"network": "back"}), "mounts": (DATA,)},
            {"network_mode": "host", "cpu_millis": 500},
        ],
    )
    @pytest.mark.parametrize("ran", [False, True])
    def test_that_an_engine_was_starting_when_it_died_start_again_as_they_were(
        self, lab: Lab, shelf: Shelf, wish: dict[str, object], ran: bool
    ) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        for network in ("front", "back"):
            engine.ensure_network(Network(name=network), labels(network))
        engine.ensure_volume(Volume(name="data"), labels("data"))
        container = web(**wish)
        engine.create_container(container, "web", labels(), held)
        if ran:
            engine.start("web")
            engine.stop("web", 0)
        before = engine.inspect("web")
        lab.die_amid_start("web")

        engine = lab.engine()
        engine.start("web")
        engine.start("web")

        quiet = 0
        for _ in range(60):
            lab.pass_time(0.25)
            seen = engine.inspect("web")
            assert seen and seen.status in ("running", "restarting")
            quiet = quiet + 1 if seen.status == "running" else 0
            if quiet == 8:
                break
            if seen.status == "restarting":
                engine.start("web")
        [after] = engine.observe().containers
        assert before and after.status == "running" and quiet == 8
        assert (after.name, after.labels, after.image) == ("web", labels(), held)
        assert (after.ports, after.settings) == (before.ports, before.settings)
        assert list(drift(container, held, after)) == []
        if container.files:
            assert engine.read_file("web", "/etc/shop/web.conf", 100) == b"port 80\n"

    @pytest.mark.parametrize("runs", [True, False])
    def test_get_other_limits_in_place(self, lab: Lab, shelf: Shelf, runs: bool) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        engine.create_container(web(memory=64 << 20, cpu_millis=500), "web", labels(), held)
        if runs:
            engine.start("web")
        before = engine.inspect("web")

        for limits in (
            Limits(memory=256 << 20, cpu_millis=250, restart="always"),
            Limits(memory=32 << 20, cpu_millis=1000, restart="no"),
        ):
            engine.update("web", limits)
            engine.update("web", limits)

            after = engine.inspect("web")
            assert before and after
            assert limits_of(after.settings) == limits
            assert (after.id, after.running, after.started) == (before.id, runs, before.started)

    def test_without_limits_keep_having_none(self, lab: Lab, shelf: Shelf) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        engine.create_container(web(), "web", labels(), held)

        engine.update("web", Limits(restart="on-failure"))

        after = engine.inspect("web")
        assert after and limits_of(after.settings) == Limits(restart="on-failure")

    def test_change_places_by_two_renames(self, lab: Lab, shelf: Shelf) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        old = engine.create_container(web(), "web", labels(), held)
        new = engine.create_container(web(), "web-draft", labels(), held)

        with pytest.raises(TargetError):
            engine.rename(new, "web")
        engine.rename(old, "web-old")
        engine.rename(new, "web")
        engine.rename(new, "web")

        assert {state.name: state.id for state in engine.observe().containers} == {"web-old": old, "web": new}

    def test_whose_program_is_missing_do_not_start(self, lab: Lab, shelf: Shelf) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        engine.create_container(web(command=("no-such-program",)), "web", labels(), held)

        with pytest.raises(TargetError):
            engine.start("web")

        state = engine.inspect("web")
        assert state and not state.running

    def test_whose_port_is_taken_do_not_start(self, lab: Lab, shelf: Shelf) -> None:
        lab.add_foreign("other", port=8080)
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        engine.create_container(web(ports=({"container": 80, "host": 8080},)), "web", labels(), held)

        with pytest.raises(TargetError, match="8080"):
            engine.start("web")

        state = engine.observe()
        assert {container.name: container.running for container in state.containers} == {"web": False, "other": True}
        assert {port.host for container in state.containers if container.running for port in container.ports} == {8080}

    def test_that_keep_failing_are_seen_to_restart(self, lab: Lab, shelf: Shelf) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        engine.create_container(web(command=("false",), restart="always"), "web", labels(), held)

        engine.start("web")

        state = wait_for(lab, engine, "web", lambda seen: seen.restarts >= 2)
        assert state.running
        engine.stop("web", 0)
        stopped = engine.inspect("web")
        assert stopped and not stopped.running

    def test_that_end_are_seen_with_their_exit_code(self, lab: Lab, shelf: Shelf) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        engine.create_container(web(command=("sh", "-c", "exit 7"), restart="no"), "web", labels(), held)

        engine.start("web")

        state = wait_for(lab, engine, "web", lambda seen: seen.status == "exited")
        assert state.exit_code == 7

    @pytest.mark.parametrize(
        ("check", "verdict", "checked"),
        [
            (("CMD", "true"), "healthy", Checked(0, "")),
            (("CMD", "cat", "/no"), "unhealthy", Checked(1, "cat: can't open '/no': No such file or directory\n")),
        ],
    )
    def test_tell_their_health(
        self, lab: Lab, shelf: Shelf, check: tuple[str, ...], verdict: str, checked: Checked
    ) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        wish = web(healthcheck={"test": check, "interval": 1, "timeout": 2, "retries": 2})
        engine.create_container(wish, "web", labels(), held)

        engine.start("web")

        begun = engine.inspect("web")
        assert begun and begun.health == "starting" and begun.checked is None
        assert wait_for(lab, engine, "web", lambda seen: seen.health == verdict).checked == checked

    def test_that_are_not_ours_are_shown_and_never_touched(self, lab: Lab, shelf: Shelf) -> None:
        lab.add_foreign("theirs")
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        stranger = lab.engine(Owner("shop", "another-site"))
        engine.create_container(web(), "web", labels(), held)

        for key, by in (("theirs", engine), ("web", stranger)):
            before = by.inspect(key)
            verbs: list[Callable[[], object]] = [
                partial(by.start, key),
                partial(by.stop, key, 0),
                partial(by.rename, key, "mine"),
                partial(by.remove, key),
                partial(by.run_task, key, 5, print),
            ]
            for verb in verbs:
                with pytest.raises(TargetError):
                    verb()
            assert by.inspect(key) == before
        with pytest.raises(TargetError):
            engine.create_container(web(), "theirs", labels(), held)
        assert our_names(engine.observe()) == {"web"}

    def test_need_a_name_that_engines_take(self, lab: Lab, shelf: Shelf) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))

        for name in ("../../etc", "a b", "x", ""):
            with pytest.raises(TargetError):
                engine.create_container(web(), name, labels(), held)

        assert engine.observe().containers == ()


class TestTasks:
    def test_run_once_and_keep_what_they_said(self, lab: Lab, shelf: Shelf) -> None:
        engine, said = lab.engine(), list[LogLine]()
        [held] = load(engine, shelf, small_image(shelf))
        engine.create_container(web(command=("echo", "migrated"), restart="no"), "migrate", labels(), held)

        assert engine.run_task("migrate", 30, said.append) == 0
        begun = engine.inspect("migrate")
        assert engine.run_task("migrate", 30, said.append) == 0

        assert [(line.stream, line.text) for line in said] == [("stdout", "migrated")] * 2
        assert begun and begun.started == engine.inspect("migrate").started  # type: ignore[union-attr]

    def test_tell_that_they_failed(self, lab: Lab, shelf: Shelf) -> None:
        engine, said = lab.engine(), list[LogLine]()
        [held] = load(engine, shelf, small_image(shelf))
        engine.create_container(web(command=("cat", "/nothing"), restart="no"), "migrate", labels(), held)

        assert engine.run_task("migrate", 30, said.append) == 1
        assert [line.stream for line in said] == ["stderr"]

    def test_that_do_not_end_are_stopped(self, lab: Lab, shelf: Shelf) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        engine.create_container(web(command=("sleep", "600"), restart="no"), "migrate", labels(), held)

        with pytest.raises(TargetError, match="2 s"):
            engine.run_task("migrate", 2, print)

        state = engine.inspect("migrate")
        assert state and state.status == "exited"

    def test_that_would_restart_are_not_run(self, lab: Lab, shelf: Shelf) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        engine.create_container(web(command=("true",), restart="always"), "migrate", labels(), held)

        with pytest.raises(TargetError):
            engine.run_task("migrate", 2, print)

        state = engine.inspect("migrate")
        assert state and state.status == "created"


class TestNetworks:
    def test_are_made_once_and_go_when_unused(self, lab: Lab, shelf: Shelf) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        network = Network(name="front", subnet="172.30.0.0/24", gateway="172.30.0.1", internal=True)

        engine.ensure_network(network, labels("front"))
        engine.ensure_network(network, labels("front", "t2"))

        [made] = [seen for seen in engine.observe().networks if seen.name == "front"]
        assert (made.subnet, made.gateway, made.internal) == ("172.30.0.0/24", "172.30.0.1", True)
        assert made.labels == labels("front")

        engine.create_container(web(networks=({"network": "front"},)), "web", labels(), held)
        engine.start("web")
        with pytest.raises(TargetError):
            engine.remove_network("front")
        engine.stop("web", 0)
        engine.remove_network("front")
        engine.remove_network("front")
        assert "front" not in {seen.name for seen in engine.observe().networks}

    def test_of_others_are_left_alone(self, lab: Lab) -> None:
        stranger, engine = lab.engine(Owner("other", "krakow-1")), lab.engine()
        theirs = Labels("other", "krakow-1", "one", "front", "1", "{}", "sha256:0", "t0")
        stranger.ensure_network(Network(name="front"), theirs)

        with pytest.raises(TargetError):
            engine.ensure_network(Network(name="front"), labels("front"))
        with pytest.raises(TargetError):
            engine.remove_network("front")
        with pytest.raises(TargetError):
            engine.remove_network("bridge")


class TestVolumes:
    def test_outlive_containers_and_can_be_carried_away(self, lab: Lab, shelf: Shelf) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        engine.ensure_volume(Volume(name="data"), labels("data"))
        mounted = web(mounts=(DATA,), files=(file("/data/row", b"1\n"),))
        engine.create_container(mounted, "web", labels(), held)
        backup = b"".join(engine.read_volume("data"))
        engine.remove("web")

        reader = web(mounts=(DATA,))
        engine.create_container(reader, "web", labels(), held)
        assert engine.read_file("web", "/data/row", 100) == b"1\n"

        engine.create_container(
            web(mounts=(DATA,), files=(file("/data/other/row", b"2\n"),)),
            "web-draft",
            labels(),
            held,
        )
        engine.write_volume("data", iter([backup]))

        assert engine.read_file("web", "/data/row", 100) == b"1\n"
        assert engine.read_file("web", "/data/other/row", 100) is None
        assert our_names(engine.observe()) == {"web", "web-draft"}

    def test_are_made_once_and_purged_only_unused(self, lab: Lab, shelf: Shelf) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))

        engine.ensure_volume(Volume(name="data", uid=70, gid=71, mode=0o700), labels("data"))
        engine.ensure_volume(Volume(name="data", uid=5), labels("data", "t2"))

        [made] = engine.observe().volumes
        assert (made.name, made.ready, made.labels) == ("data", True, labels("data"))

        engine.create_container(web(mounts=(DATA,)), "web", labels(), held)
        with pytest.raises(TargetError):
            engine.remove_volume("data")
        engine.remove("web")
        assert [volume.name for volume in engine.observe().volumes] == ["data"]
        engine.remove_volume("data")
        engine.remove_volume("data")
        assert engine.observe().volumes == ()

    def test_of_others_are_left_alone(self, lab: Lab) -> None:
        engine, stranger = lab.engine(), lab.engine(Owner("shop", "another-site"))
        engine.ensure_volume(Volume(name="data"), labels("data"))

        verbs: list[Callable[[], object]] = [
            partial(stranger.ensure_volume, Volume(name="data"), labels("data")),
            partial(stranger.remove_volume, "data"),
            partial(stranger.write_volume, "data", iter([b""])),
        ]
        for verb in verbs:
            with pytest.raises(TargetError):
                verb()
        assert [volume.name for volume in engine.observe().volumes] == ["data"]

    def test_tell_their_size(self, lab: Lab, shelf: Shelf) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        engine.ensure_volume(Volume(name="data"), labels("data"))
        files = (file("/data/rows", b"r" * 100_000),)
        engine.create_container(web(mounts=(DATA,), files=files), "web", labels(), held)

        use = engine.disk()

        assert (use.volumes["data"] or 0) >= 100_000
        assert use.images > 1_000_000
        assert use.space


class TestLogs:
    def test_come_in_order_from_where_asked(self, lab: Lab, shelf: Shelf) -> None:
        engine = lab.engine()
        [held] = load(engine, shelf, small_image(shelf))
        text = b"".join(b"line %d\n" % number for number in range(5))
        wish = web(command=("cat", "/etc/lines"), restart="no", files=(file("/etc/lines", text),))
        engine.create_container(wish, "web", labels(), held)
        engine.start("web")
        ended = wait_for(lab, engine, "web", lambda seen: seen.status == "exited")

        lines = list(engine.logs("web", follow=False, since=None, tail=None))
        assert [line.text for line in lines] == [f"line {number}" for number in range(5)]
        assert {line.container for line in lines} == {"web"}
        assert sorted(line.time for line in lines) == [line.time for line in lines]
        assert [line.text for line in engine.logs("web", follow=True, since=None, tail=2)] == ["line 3", "line 4"]
        assert list(engine.logs("web", follow=False, since=ended.started + 60, tail=None)) == []

    def test_of_what_is_missing_say_so(self, lab: Lab) -> None:
        with pytest.raises(TargetError):
            list(lab.engine().logs("nothing", follow=False, since=None, tail=None))


def test_an_image_of_one_layer_loads_beside_others(lab: Lab, shelf: Shelf) -> None:
    engine = lab.engine()
    alone = make_image(shelf, "shop/base:1", [BASE], Cmd=["sleep", "infinity"])

    load(engine, shelf, alone, small_image(shelf))

    assert engine.observe().image_id(alone)


class TestPrograms:
    """Of the host itself, where the engine is at hand."""

    def test_end_with_their_code_and_tell_their_lines(self, lab: Lab, tmp_path: Path) -> None:
        engine, said = lab.engine(), list[str]()

        assert engine.observe().has_shell
        assert engine.run_on_host(["echo", "two  words", "$HOME"], 60, said.append) == 0
        assert said == ["two  words $HOME"]
        assert engine.run_on_host(["false"], 60, said.append) == 1

    def test_change_the_host(self, lab: Lab, tmp_path: Path) -> None:
        engine, path = lab.engine(), str(tmp_path / "room")

        for command, code in (("test -e", 1), ("touch", 0), ("test -e", 0), ("rm", 0), ("test -e", 1)):
            assert engine.run_on_host([*command.split(), path], 60, print) == code

    def test_that_are_not_there_end_as_in_a_shell(self, lab: Lab) -> None:
        said = list[str]()
        assert lab.engine().run_on_host(["no-such-program-here"], 60, said.append) == 127
        assert "no-such-program-here: " in said[0]

    def test_that_take_too_long_are_ended(self, lab: Lab) -> None:
        with pytest.raises(TargetError, match="sleep 60 has not ended after 1 s"):
            lab.engine().run_on_host(["sleep", "60"], 1, print)
