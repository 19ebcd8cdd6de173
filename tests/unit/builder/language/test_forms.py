"""What people write, and the strict form that it becomes."""

import pytest

from builder.language.evaluation import (
    ArtifactFile,
    Assemble,
    Build,
    BuildText,
    Command,
    Disk,
    Download,
    FromEngine,
    Maven,
    Packer,
    Placed,
    ProjectFile,
    ProjectFolder,
    Pull,
)
from builder.project import Project
from builder.rehearsal.draft import draft
from bundle_format.release.deployment import Host
from tests.definitions import evaluated, write_project

START = """
project("shop", version = "2.0")
server = host("server", address = "192.0.2.10")
web = image("web", pull = "web:1")
password = param("password", type = "secret")
port = param("port", type = "port", default = 80)
address = param("address", type = "ip")
"""

CONTAINER = {
    'ports = {"8080": 80}': {"ports": [{"container": 8080, "protocol": "tcp", "host": 80}]},
    'ports = {"53/udp": port}': {"ports": [{"container": 53, "protocol": "udp", "host": {"$param": "port"}}]},
    'ports = {"80/tcp": "127.0.0.1:8080"}': {
        "ports": [{"container": 80, "protocol": "tcp", "host": 8080, "address": "127.0.0.1"}]
    },
    'ports = {"80/tcp": "[::1]:8080"}': {
        "ports": [{"container": 80, "protocol": "tcp", "host": 8080, "address": "::1"}]
    },
    'ports = {"80/tcp": "%s:%s" % (address, port)}': {
        "ports": [
            {"container": 80, "protocol": "tcp", "host": {"$param": "port"}, "address": {"$param": "address"}},
        ]
    },
    'ports = {"80/tcp": [80, "127.0.0.1:81"]}': {
        "ports": [
            {"container": 80, "protocol": "tcp", "host": 80},
            {"container": 80, "protocol": "tcp", "host": 81, "address": "127.0.0.1"},
        ]
    },
    "": {"networks": [{"network": "shop"}]},
    "networks = []": {"networks": []},
    'network_mode = "host"': {"network_mode": "host"},
    'networks = [network("back"), attach(network("front"), aliases = ["w"])]': {
        "networks": [{"network": "back"}, {"network": "front", "aliases": ["w"]}]
    },
    'mounts = {"/d": volume("data"), "/r": read_only(volume("pages"))}': {
        "mounts": [
            {"kind": "volume", "volume": "data", "path": "/d"},
            {"kind": "volume", "volume": "pages", "path": "/r", "read_only": True},
        ]
    },
    'mounts = {"/p": host_path("/proc", read_only = True), "/t": tmpfs(size = "64m")}': {
        "mounts": [
            {"kind": "host", "source": "/proc", "path": "/p", "read_only": True},
            {"kind": "tmpfs", "path": "/t", "size": 64 << 20},
        ]
    },
    'mounts = {"/a": template("t1", src = "t.j2", vars = {"x": password}, mode = "0400", uid = 5)}': {
        "files": [{"template": "t1", "path": "/a", "mode": 0o400, "uid": 5}]
    },
    'mounts = {"/a": file("www/a", mode = 0o755), "/w": folder("www")}': {
        "files": [
            {"file": "www/a", "path": "/a", "mode": 0o755},
            {"file": "www/a", "path": "/w/a"},
            {"file": "www/b/c", "path": "/w/b/c"},
        ]
    },
    'mounts = {"/app.jar": artifact("com.acme:app:1")}': {"files": [{"file": "com.acme:app:1", "path": "/app.jar"}]},
    'cpus = 0.5, memory = "512m", shm_size = 1024': {"cpu_millis": 500, "memory": 512 << 20, "shm_size": 1024},
    'cpus = "1.25"': {"cpu_millis": 1250},
    'cpus = 2, stop_grace = "1m30s", health_deadline = "2m"': {
        "cpu_millis": 2000,
        "stop_grace": 90,
        "health_deadline": 120,
    },
    'ulimits = {"nofile": 1024, "nproc": [1, 2]}': {
        "ulimits": [{"name": "nofile", "soft": 1024, "hard": 1024}, {"name": "nproc", "soft": 1, "hard": 2}]
    },
    'healthcheck = cmd(["true"], interval = "5s", retries = 9)': {
        "healthcheck": {"test": ["CMD", "true"], "interval": 5, "retries": 9}
    },
    'healthcheck = shell("test -e /ready")': {"healthcheck": {"test": ["CMD-SHELL", "test -e /ready"]}},
    'log = log(driver = "local", max_size = "1m")': {"log": {"driver": "local", "max_size": 1 << 20}},
    'env = {"N": 1, "T": "x", "P": password, "U": "http://%s:%s/" % (address, port)}': {
        "env": {
            "N": 1,
            "T": "x",
            "P": {"$param": "password"},
            "U": {"$text": ["http://", {"$param": "address"}, ":", {"$param": "port"}, "/"]},
        }
    },
    'after = [container("db", image = web, host = server), "db"]': {"after": ["db", "db"]},
    "user = 1000, privileged = True, command = None": {"user": 1000, "privileged": True},
}


@pytest.mark.parametrize(("arguments", "expected"), CONTAINER.items(), ids=lambda case: str(case)[:40])
def test_a_container_in_its_strict_form(arguments, expected, tmp_path):
    write_project(tmp_path, {"t.j2": "{{ x }}", "www/a": "a", "www/b/c": "c"})
    evaluation = evaluated(tmp_path, f'{START}container("web", image = web, host = server, {arguments})\n')

    tree = evaluation.variants[0].objects["container"]["web"]
    shared = {"image": "web", "host": "server"} | (
        {} if "network" in arguments else {"networks": [{"network": "shop"}]}
    )
    assert tree == shared | expected


SERVICE = {
    "": {},
    "replicas = 3": {"replicas": 3},
    'mode = "global", ports = {"80": port, "53/udp": node_port(53)}': {
        "mode": "global",
        "ports": [
            {"container": 80, "protocol": "tcp", "port": {"$param": "port"}},
            {"container": 53, "protocol": "udp", "port": 53, "mode": "host"},
        ],
    },
    'placement = placement(constraints = ["node.role == worker"], spread = ["node.labels.rack"], max_per_node = 2)': {
        "placement": {
            "constraints": ["node.role == worker"],
            "spread": ["node.labels.rack"],
            "max_per_node": 2,
        }
    },
    'update = rolling(parallelism = 2, delay = "1m", order = "start-first", failure_action = "pause")': {
        "update": {"parallelism": 2, "delay": 60, "order": "start-first", "failure_action": "pause"}
    },
    'restart = restarting(condition = "on-failure", attempts = 3)': {
        "restart": {"condition": "on-failure", "attempts": 3}
    },
    'reserve_cpus = 0.5, memory = "1g", networks = [network("mesh", driver = "overlay")]': {
        "reserve_cpu_millis": 500,
        "memory": 1 << 30,
        "networks": ["mesh"],
    },
    'mounts = {"/a": file("www/a"), "/s": host_path("/srv")}, registry = container("rg", image = web, host = server)': {
        "files": [{"file": "www/a", "path": "/a"}],
        "mounts": [{"kind": "host", "source": "/srv", "path": "/s"}],
        "registry": "rg",
    },
}


@pytest.mark.parametrize(("arguments", "expected"), SERVICE.items(), ids=lambda case: str(case)[:40])
def test_a_service_in_its_strict_form(arguments, expected, tmp_path):
    write_project(tmp_path, {"www/a": "a"})
    evaluation = evaluated(tmp_path, f'{START}service("pages", image = web, host = server, {arguments})\n')

    objects = evaluation.variants[0].objects
    shared = {"image": "web", "host": "server", "networks": ["shop-services"]}
    assert objects["service"]["pages"] == shared | expected
    assert [network["driver"] for name, network in objects["network"].items() if name != "shop"] == ["overlay"]
    assert evaluation.files == (("www/a",) if "www/a" in arguments else ())


def test_what_a_container_mounts_travels_with_the_release(tmp_path):
    write_project(tmp_path, {"t.j2": "{{ x }}", "b.j2": "{{ x }}", "www/a": "a"})
    evaluation = evaluated(
        tmp_path,
        f"""{START}
container("web", image = web, host = server, mounts = {{"/t": template("t1", src = "t.j2", vars = {{"x": 1}}),
    "/a": file("www/a"), "/j": artifact("com.acme:app:1")}})
image("made", base = web, files = {{"/b": template("b1", src = "b.j2", vars = {{"x": 1}}), "/c": file("t.j2")}})
""",
    )

    assert evaluation.files == ("t.j2", "www/a")
    assert evaluation.carried == ("com.acme:app:1",)
    assert list(evaluation.variants[0].objects["template"]) == ["t1"]


def test_an_http_check_asks_with_what_the_image_has(tmp_path):
    evaluation = evaluated(
        tmp_path, f'{START}container("web", image = web, host = server, healthcheck = http(port, path = "/up?x=1"))'
    )

    line = evaluation.variants[0].objects["container"]["web"]["healthcheck"]["test"][1]
    told = "".join(part if isinstance(part, str) else "80" for part in line["$text"])
    assert told == (
        "curl -fsS -o /dev/null 'http://127.0.0.1:80/up?x=1' 2>/dev/null"
        " || wget -q -O /dev/null 'http://127.0.0.1:80/up?x=1'"
    )


def test_a_task_in_its_strict_form(tmp_path):
    evaluation = evaluated(
        tmp_path,
        f"""{START}
data = volume("data", size = "1g", mode = 0o700)
db = container("db", image = web, host = server, mounts = {{"/d": data}})
task("migrate", image = web, host = server, after = [db], before = ["app"], reversible = False, backup = [data],
    deadline = "10m", command = ["run"])
container("app", image = web, host = server)
""",
    )

    assert evaluation.variants[0].objects["task"]["migrate"] == {
        "container": {
            "image": "web",
            "host": "server",
            "networks": [{"network": "shop"}],
            "command": ["run"],
            "restart": "no",
        },
        "schedule": {"after": ["db"], "before": ["app"]},
        "reversible": False,
        "backup": ["data"],
        "deadline": 600,
    }
    assert evaluation.variants[0].objects["volume"]["data"] == {"size": 1 << 30, "mode": 0o700}


def test_a_machine_in_its_strict_form(tmp_path):
    write_project(tmp_path, {"debian.ova": ""})
    evaluation = evaluated(
        tmp_path,
        """
project("vm", version = "1")
disk = data_disk("db1-data", size = "10g", mount = "/data")
guest = machine_image("debian", disk = "debian.ova")
host("db1", address = "192.0.2.20", machine = machine(image = guest, memory = "8g", disks = [disk],
    nics = [nic("lan", address = "192.0.2.20/24", gateway = "192.0.2.1"), nic("backup")]))
""",
    )

    tree = evaluation.variants[0].objects["host"]["db1"]
    assert tree == {
        "kind": "machine",
        "address": "192.0.2.20",
        "machine": {
            "image": "debian",
            "memory": 8 << 30,
            "disks": ["db1-data"],
            "nics": [{"network": "lan", "address": "192.0.2.20/24", "gateway": "192.0.2.1"}, {"network": "backup"}],
        },
    }
    assert Host.model_fields.keys() >= tree.keys()
    assert evaluation.machine_images == {"debian": Disk(content=ProjectFile(path="debian.ova"))}


def test_images_as_recipes(tmp_path):
    write_project(
        tmp_path, {"docker/java/Dockerfile": "", "www/a": "a", "t.j2": "{{ x }}", "packer/d.pkr.hcl": "", "d.img": ""}
    )
    evaluation = evaluated(
        tmp_path,
        """
project("Shop", version = "2.0")
base = image("base", engine = "debian:12", platform = "linux/arm64")
java = image("java", build = "docker/java", args = {"BASE": base, "LEVEL": "1"}, tag = "17", network = True,
    files = {"app.jar": artifact("com.acme:app:1.0")})
image("app", base = java, cmd = ["run"], env = {"N": 1}, expose = [80, "53/udp"], user = 1000,
    files = [{"/www": folder("www")}, {"/t": template("t1", src = "t.j2", vars = {"x": 1}, mode = 0o600),
        "/opt": unpack(artifact("com.acme:dist:1.0", type = "tar.gz"), strip = 1)}])
machine_image("vm1", packer = "packer/d.pkr.hcl", variables = {"version": "12"})
machine_image("vm2", disk = artifact("disk", url = "https://images.example/d.qcow2", sha256 = "0" * 64))
machine_image("vm3", disk = file("d.img"))
""",
    )

    assert evaluation.images == {
        "base": FromEngine(reference="debian:12", tag="shop/base:2.0", platform="linux/arm64"),
        "java": Build(
            context="docker/java",
            tag="shop/java:17",
            arguments={"LEVEL": "1"},
            bases={"BASE": "base"},
            network=True,
            files=(Placed(path="app.jar", content=ArtifactFile(name="com.acme:app:1.0")),),
        ),
        "app": Assemble(
            tag="shop/app:2.0",
            base="java",
            command=("run",),
            env={"N": "1"},
            expose=("80", "53/udp"),
            user="1000",
            layers=(
                (Placed(path="/www", content=ProjectFolder(path="www")),),
                (
                    Placed(path="/t", content=BuildText(path="t.j2", variables={"x": 1}), mode=0o600),
                    Placed(path="/opt", content=ArtifactFile(name="com.acme:dist:1.0"), unpack=True, strip=1),
                ),
            ),
        ),
    }
    assert evaluation.machine_images == {
        "vm1": Packer(template="packer/d.pkr.hcl", variables={"version": "12"}),
        "vm2": Disk(content=ArtifactFile(name="disk")),
        "vm3": Disk(content=ProjectFile(path="d.img")),
    }


def test_what_editors_on_windows_put_into_a_text_changes_nothing(tmp_path):
    definition = 'project("shop", version = "1")\nload("//web.star", "web")\nweb()\n'
    web = 'def web():\n    image("web", pull = "web:1")\n'
    write_project(tmp_path / "plain", {"web.star": web})
    write_project(tmp_path / "theirs", {"web.star": "\ufeff" + web.replace("\n", "\r\n")})

    theirs = evaluated(tmp_path / "theirs", "\ufeff" + definition.replace("\n", "\r\n"))

    assert theirs == evaluated(tmp_path / "plain", definition)


@pytest.mark.parametrize(("version", "tag", "known_as"), [("1.0+b2", "", "1.0_b2"), ("1", "8+2", "8_2")])
def test_a_tag_has_no_plus_which_engines_do_not_take(version, tag, known_as, tmp_path):
    given = f', tag = "{tag}"' if tag else ""

    found = evaluated(tmp_path, f'project("shop", version = "{version}")\nimage("web", pull = "web:1"{given})\n')

    assert found.images["web"].tag == f"shop/web:{known_as}"
    assert draft(found, Project(tmp_path)).release.version == version


def test_artifacts_as_recipes(tmp_path):
    write_project(tmp_path, {"src/make": ""})
    evaluation = evaluated(
        tmp_path,
        """
project("shop", version = "2.0")
jar = artifact("com.acme:app:1.0", classifier = "all", transitive = True)
dist = artifact("com.acme:dist:1.0", type = "tar.gz")
tool = artifact("tool", url = "https://tools.example/download/tool.zip")
made = artifact("made", build = ["make"], source = "src", output = "out/made.jar", env = {"A": "b"})
git = artifact("git", build = ["mvn"], repository = "https://git.example/a", revision = "v1", output = "a.war")
web = image("web", pull = "web:1", tag = "-".join([a.file for a in [jar, dist, tool, made, git]]))
""",
    )

    assert evaluation.images["web"] == Pull(
        reference="web:1", tag="shop/web:app-1.0-all.jar-dist-1.0.tar.gz-tool.zip-made.jar-a.war"
    )
    assert evaluation.artifacts == {
        "com.acme:app:1.0": Maven(group="com.acme", artifact="app", version="1.0", classifier="all", transitive=True),
        "com.acme:dist:1.0": Maven(group="com.acme", artifact="dist", version="1.0", type="tar.gz"),
        "tool": Download(url="https://tools.example/download/tool.zip"),
        "made": Command(command=("make",), source="src", output="out/made.jar", env={"A": "b"}),
        "git": Command(command=("mvn",), repository="https://git.example/a", revision="v1", output="a.war"),
    }


def test_parameters_keep_sizes_in_bytes(tmp_path):
    parameters = evaluated(
        tmp_path,
        """
project("shop", version = "2.0")
param("heap", type = "size", min = "256m", default = "1g", doc = "Java heap")
param("level", one_of = ["info", "debug"], default = "info")
""",
    ).parameters

    assert (parameters["heap"].min, parameters["heap"].default, parameters["heap"].doc) == (
        256 << 20,
        1 << 30,
        "Java heap",
    )
    assert parameters["level"].one_of == ("info", "debug")
