"""What a definition says of a container, as seen from inside the running container."""

import json
import time

import pytest

from agent.targets.docker.engine import DockerEngine
from agent.targets.engine import Engine
from bundle_format.errors import TargetError
from bundle_format.release.deployment import Container, Network, Volume
from bundle_format.release.fields import Sealed
from bundle_format.release.fittings import RenderedFile
from tests.contracts.labs import RealLab, labels, small_image, wait_for, web
from tests.images import Shelf

pytestmark = pytest.mark.engine

CAP_NET_BIND_SERVICE, CAP_SYS_TIME = 10, 25


@pytest.fixture
def engine(lab: RealLab) -> Engine:
    return lab.engine()


@pytest.fixture
def image(engine: Engine, shelf: Shelf, load: object) -> str:
    assert callable(load)
    return str(load(engine, small_image(shelf, Env=["PATH=/bin"])))


def run(engine: Engine, image: str, script: str, **fields: object) -> str:
    """What a script prints in a container with these options."""
    said: list[str] = []
    container = web(command=("sh", "-c", script), restart="no", **fields)
    engine.create_container(container, "probe", labels("probe"), image)
    code = engine.run_task("probe", 20, lambda line: said.append(line.text))
    engine.remove("probe")
    assert code == 0, said
    return "\n".join(said)


def file(path: str, content: bytes = b"x\n", **fields: int) -> RenderedFile:
    return RenderedFile(path=path, content=content, digest="sha256:0", **fields)  # type: ignore[arg-type]


def test_who_and_where(engine: Engine, image: str) -> None:
    assert run(engine, image, "id -u; id -g; pwd; hostname", user="70:71", workdir="/srv", hostname="box") == (
        "70\n71\n/srv\nbox"
    )


def test_environment_with_a_secret(engine: Engine, image: str) -> None:
    secret = Sealed("hunter2", b"key")

    assert run(
        engine, image, 'echo "$PASSWORD" "$EMPTY" "$EQUAL"', env={"PASSWORD": secret, "EMPTY": "", "EQUAL": "a=b"}
    ) == ("hunter2  a=b")


def test_entrypoint_replaces_the_image_s_command(engine: Engine, image: str) -> None:
    container = web(entrypoint=("echo", "alone"), restart="no")
    engine.create_container(container, "probe", labels("probe"), image)
    said: list[str] = []
    engine.run_task("probe", 20, lambda line: said.append(line.text))

    assert said == ["alone"]


def test_capabilities(engine: Engine, image: str) -> None:
    told = run(engine, image, "cat /proc/self/status", cap_add=("SYS_TIME",), cap_drop=("NET_BIND_SERVICE",))
    effective = int(next(line.split()[1] for line in told.splitlines() if line.startswith("CapEff")), 16)

    assert effective >> CAP_SYS_TIME & 1
    assert not effective >> CAP_NET_BIND_SERVICE & 1


def test_limits(engine: Engine, image: str, lab: RealLab) -> None:
    script = "cat /proc/self/limits /proc/sys/net/core/somaxconn; stat -f -c '%b %S' /dev/shm /scratch"
    told = run(
        engine,
        image,
        script,
        ulimits=({"name": "nofile", "soft": 1111, "hard": 2222},),
        sysctls={"net.core.somaxconn": "321"},
        shm_size=32 << 20,
        mounts=({"kind": "tmpfs", "path": "/scratch", "size": 1 << 20, "mode": 0o700},),
    ).splitlines()

    assert next(line.split()[3:5] for line in told if line.startswith("Max open files")) == ["1111", "2222"]
    assert "321" in told
    sizes = [int(blocks) * int(size) for blocks, size in (line.split() for line in told[-2:])]
    assert sizes == [32 << 20, 1 << 20]


def test_memory_and_processors(engine: Engine, image: str, lab: RealLab) -> None:
    engine.create_container(web(memory=64 << 20, cpu_millis=250), "web", labels(), image)

    host = json.loads(lab.private.docker("inspect", "web"))[0]["HostConfig"]
    assert (host["Memory"], host["NanoCpus"]) == (64 << 20, 250_000_000)


def test_names_it_can_resolve(engine: Engine, image: str) -> None:
    told = run(
        engine, image, "cat /etc/hosts /etc/resolv.conf", extra_hosts={"legacy": "192.0.2.7"}, dns=("192.0.2.53",)
    )

    assert "192.0.2.7\tlegacy" in told
    assert "nameserver 192.0.2.53" in told


def test_devices_and_an_init(engine: Engine, image: str) -> None:
    told = run(
        engine, image, "test -c /dev/zero2 && cat /proc/1/cmdline", devices=("/dev/zero:/dev/zero2:r",), init=True
    )

    assert "docker-init" in told


def test_logs_are_rotated(engine: Engine, image: str, lab: RealLab) -> None:
    engine.create_container(web(), "web", labels(), image)
    engine.create_container(web(log={"driver": "local", "max_size": 1 << 20, "max_files": 2}), "other", labels(), image)

    configs = [one["HostConfig"]["LogConfig"] for one in json.loads(lab.private.docker("inspect", "web", "other"))]
    assert configs[0] == {"Type": "json-file", "Config": {"max-size": str(10 << 20), "max-file": "5"}}
    assert configs[1] == {"Type": "local", "Config": {"max-size": str(1 << 20), "max-file": "2"}}


def test_stops_by_its_own_signal_within_its_grace(engine: Engine, image: str) -> None:
    script = 'trap "exit 42" USR1; while :; do sleep 0.1; done'
    engine.create_container(web(command=("sh", "-c", script), stop_signal="SIGUSR1"), "web", labels(), image)
    engine.start("web")
    time.sleep(0.5)
    begun = time.monotonic()

    engine.stop("web", 10)

    state = engine.inspect("web")
    assert state and state.exit_code == 42
    assert time.monotonic() - begun < 5


def test_labels_of_the_definition_never_replace_ours(engine: Engine, image: str, lab: RealLab) -> None:
    wish = web().model_copy(update={"labels": {"team": "blue", "floto.site": "elsewhere"}})
    engine.create_container(wish, "web", labels(), image)

    state = engine.inspect("web")
    assert state and state.labels == labels()
    assert json.loads(lab.private.docker("inspect", "web"))[0]["Config"]["Labels"]["team"] == "blue"


def test_the_host_s_network_and_none(engine: Engine, image: str) -> None:
    assert "docker0" in run(engine, image, "cat /proc/net/dev", network_mode="host")
    assert "eth0" not in run(engine, image, "cat /proc/net/dev", network_mode="none")


def test_neighbours_find_each_other_by_name_and_alias(engine: Engine, image: str, lab: RealLab) -> None:
    for network in ("front", "back"):
        engine.ensure_network(Network(name=network, subnet=None), labels(network))
    server = web(
        name="server",
        command=("httpd", "-f", "-p", "80", "-h", "/srv/www"),
        networks=({"network": "front"}, {"network": "back", "aliases": ("pages",)}),
    )
    engine.create_container(server, "server.draft", labels("server"), image)
    engine.rename("server.draft", "server")
    engine.start("server")
    wait_for(lab, engine, "server", lambda state: state.running)

    for network, name in (("front", "server"), ("back", "server"), ("back", "pages")):
        fetch = f"for i in 1 2 3 4 5; do wget -q -O - http://{name}/tag && exit 0; sleep 0.3; done; exit 1"
        assert "shop/web:1" in run(engine, image, fetch, networks=({"network": network},))


def test_an_address_of_its_own(engine: Engine, image: str) -> None:
    engine.ensure_network(Network(name="front", subnet="172.31.0.0/24"), labels("front"))

    told = run(engine, image, "cat /proc/net/fib_trie", networks=({"network": "front", "address": "172.31.0.77"},))

    assert "172.31.0.77" in told


class TestFiles:
    def test_have_the_owner_and_mode_asked_for_and_missing_folders_are_made(self, engine: Engine, image: str) -> None:
        files = (file("/etc/new/deep/secret", mode=0o640, uid=70, gid=71), file("/etc/motd", b"site\n"))

        told = run(engine, image, "stat -c '%a %u %g' /etc/new/deep/secret /etc/new /etc; cat /etc/motd", files=files)

        assert told.splitlines() == ["640 70 71", "755 0 0", "755 0 0", "site"]

    def test_go_through_links_of_the_image_but_never_out_of_it(self, engine: Engine, image: str, lab: RealLab) -> None:
        outside = lab.private.folder / "outside"
        outside.mkdir(exist_ok=True)
        script = f"cat {outside}/x"
        engine.create_container(web(), "web", labels(), image)
        wish = web(files=(file(f"{outside}/x", b"inside\n"),))
        engine.create_container(wish, "other", labels(), image)

        assert engine.read_file("other", f"{outside}/x", 100) == b"inside\n"
        assert list(outside.iterdir()) == []
        assert run(engine, image, script, files=(file(f"{outside}/x", b"inside\n"),)) == "inside"

    def test_reach_a_container_whose_root_cannot_be_written(self, engine: Engine, image: str, lab: RealLab) -> None:
        engine.ensure_volume(Volume(name="data"), labels("data"))
        files = (file("/etc/site.conf"), file("/etc/conf.d/more"), file("/srv/www/page"), file("/data/row"))
        mounts = ({"kind": "volume", "volume": "data", "path": "/data"},)
        paths = "/etc/site.conf /etc/conf.d/more /srv/www/page /data/row /etc/motd"
        script = f"cat {paths}; touch /bin/new 2> /dev/null || echo no"

        told = run(engine, image, script, files=files, mounts=mounts, read_only=True)

        assert told.splitlines() == ["x", "x", "x", "x", "image", "no"]
        assert lab.private.docker("volume", "ls", "--quiet") == "data"

    def test_of_such_a_container_are_not_mistaken_for_volumes_of_ours(self, engine: Engine, image: str) -> None:
        engine.create_container(web(files=(file("/etc/site.conf"),), read_only=True), "web", labels(), image)

        state = engine.observe()
        assert state.volumes == ()
        assert [container.settings.mounts for container in state.containers] == [()]

    def test_that_cannot_be_placed_leave_no_container(self, engine: Engine, image: str) -> None:
        with pytest.raises(TargetError):
            engine.create_container(web(files=(file("/etc/motd/below"),)), "web", labels(), image)

        assert engine.observe().containers == ()


class TestVolumes:
    SEE = "stat -c '%a %u %g' /srv/www; ls /srv/www"

    def mounted(self, **fields: object) -> dict[str, object]:
        return {"mounts": ({"kind": "volume", "volume": "data", "path": "/srv/www"},), **fields}

    def test_with_an_owner_keep_it_whatever_the_image_holds(self, engine: Engine, image: str) -> None:
        engine.ensure_volume(Volume(name="data", uid=70, gid=71, mode=0o750), labels("data"))

        assert run(engine, image, self.SEE, **self.mounted()) == "750 70 71"

    def test_without_one_take_over_what_the_image_holds(self, engine: Engine, image: str) -> None:
        engine.ensure_volume(Volume(name="data"), labels("data"))

        assert run(engine, image, self.SEE, **self.mounted()).splitlines() == ["755 0 0", "index.html", "tag"]

    def test_whose_making_was_cut_short_are_finished(self, engine: Engine, image: str, lab: RealLab) -> None:
        wanted = Volume(name="data", uid=70)
        engine.ensure_volume(wanted, labels("data"))
        lab.private.docker("create", "--name", "floto-new-volume-data", "--volume", "data:/volume", image)

        assert [volume.ready for volume in engine.observe().volumes] == [False]
        assert engine.observe().containers == ()
        engine.ensure_volume(wanted, labels("data"))

        assert [volume.ready for volume in engine.observe().volumes] == [True]
        assert run(engine, image, self.SEE, **self.mounted()) == "755 70 0"

    def test_come_back_as_they_were(self, engine: Engine, image: str) -> None:
        engine.ensure_volume(Volume(name="data", uid=70, gid=71, mode=0o750), labels("data"))
        fill = "mkdir -p a/b; echo 1 > a/b/one; ln -s one a/b/link; chmod 600 a/b/one"
        run(engine, image, f"cd /srv/www; {fill}", **self.mounted())
        backup = list(engine.read_volume("data"))
        run(
            engine,
            image,
            "cd /srv/www; echo 2 > a/b/one; mkdir c; echo 3 > c/x; echo 4 > .hidden; echo 5 > '-'",
            **self.mounted(),
        )

        engine.write_volume("data", iter(backup))

        see = "cd /srv/www; stat -c '%a %u %g' .; find . | sort; cat a/b/link; stat -c '%a' a/b/one"
        assert run(engine, image, see, **self.mounted()).splitlines() == [
            "750 70 71",
            ".",
            "./a",
            "./a/b",
            "./a/b/link",
            "./a/b/one",
            "1",
            "600",
        ]


def test_a_container_that_uses_all_of_it_reads_back_as_itself(engine: Engine, image: str) -> None:
    assert isinstance(engine, DockerEngine)
    wish = web(
        env={"A": "1"},
        ports=(
            {"container": 80, "host": 8080},
            {"container": 53, "host": 5353, "protocol": "udp", "address": "127.0.0.1"},
            {"container": 80, "host": 8081},
        ),
        read_only=True,
        privileged=True,
        restart="always",
    )
    engine.create_container(wish, "web", labels(), image)

    state = engine.inspect("web")
    assert state and set(state.ports) == set(wish.ports)
    assert (state.settings.read_only, state.settings.privileged, state.settings.restart) == (True, True, "always")
    assert isinstance(wish, Container)
