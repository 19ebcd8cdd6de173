"""A whole release from real local servers, and built again with every server stopped: the same bytes."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bundle_format.digest import digest_of
from tests import engines, images, registries
from tests.engines import PrivateEngine
from tests.faulty import FaultyServer, folder
from tests.integration.builder.test_packer import DISK, HCL
from tests.registries import PrivateRegistry

DEBIAN = Path("/usr/share/maven-repo")
CREDENTIALS = "ann:secret words"

DEFINITION = '''"""Everything a release can be made of."""
project("full", version = "1.0")
base = image("base", pull = "@REGISTRY@/team/base:1")
front = image("front", pull = "@REGISTRY@/team/front:1")
tools = image("tools", pull = "@REGISTRY@/team/tools:1")

app = artifact("com.acme:app:1.0")
war = artifact("com.acme:shop:2.1", type = "war")
dist = artifact("com.acme:dist:1.1", type = "tar.gz", classifier = "bin")
nightly = artifact("com.acme:nightly:3.0-SNAPSHOT")
resolver = artifact("org.apache.maven.resolver:maven-resolver-impl:1.6.3", transitive = True)
made = artifact("made", build = ["sh", "make"], source = "made", output = "out/made.jar")

built = image("built", build = "built", args = {"BASE": base}, files = {"app.jar": app})
own = image("own", build = "own")
whole = image("whole", base = built, workdir = "/opt", cmd = ["sh", "-c", "ls -R /opt; cat /from-dockerfile"], files = [
    {"/opt/shop.war": war, "/opt/dist": unpack(dist, strip = 1), "/opt/lib/resolver": resolver},
    {"/opt/nightly.jar": nightly, "/opt/made.jar": made},
])
server = host("server", address = param("address", type = "ip"))
guest = machine_image("guest", packer = "guest/tiny.pkr.hcl", variables = {"name": "guest"},
    files = {"disks/base.raw": file("guest/base.raw")})
host("vm", machine = machine(image = guest, nics = [nic("lan")]))
for name, used in {"front": front, "tools": tools, "whole": whole, "own": own}.items():
    container(name, image = used, host = server, mounts = {"/etc/motd": file("motd")})
'''


class Full:
    """The project with all its servers."""

    def __init__(self, home: Path, opened: ExitStack) -> None:
        self.home = home
        self.engine = opened.enter_context(PrivateEngine())
        self.registry = opened.enter_context(PrivateRegistry("token"))
        layer = images.busybox_layer()
        pushed = {
            name: self.registry.push(f"team/{name}:1", [layer, images.layer({f"etc/{name}": name.encode()})])
            for name in ("base", "front", "tools")
        }
        self.pinned = f"{self.registry.host}/team/tools@{pushed['tools']}"
        self.maven = opened.enter_context(FaultyServer(self._served, credentials=CREDENTIALS))
        self.repository = home / "maven"
        self.deploy("com/acme/app/1.0/app-1.0.jar", b"app")
        self.deploy("com/acme/shop/2.1/shop-2.1.war", b"war")
        self.deploy("com/acme/dist/1.1/dist-1.1-bin.tar.gz", self._archive())
        self.snapshot("20240101.101010-1", b"first night")
        self._write()

    def _served(self, path: str, headers: object):
        for root in (self.repository, DEBIAN):
            reply = folder(root)(path, {})
            if reply.status == 200:
                break
        return reply

    def deploy(self, path: str, content: bytes) -> None:
        place = self.repository / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        place.with_name(f"{place.name}.sha1").write_text(hashlib.sha1(content).hexdigest(), encoding="ascii")

    def snapshot(self, build: str, content: bytes) -> None:
        path = "com/acme/nightly/3.0-SNAPSHOT"
        self.deploy(f"{path}/nightly-3.0-{build}.jar", content)
        (self.repository / path / "maven-metadata.xml").write_text(
            f"<metadata><versioning><snapshotVersions><snapshotVersion><extension>jar</extension><value>3.0-{build}"
            f"</value><updated>{build[:8]}</updated></snapshotVersion></snapshotVersions></versioning></metadata>",
            encoding="utf-8",
        )

    def _archive(self) -> bytes:
        (self.home / "dist-1.1" / "bin").mkdir(parents=True)
        (self.home / "dist-1.1" / "bin" / "run").write_text("#!/bin/sh\n", encoding="utf-8")
        command = ["tar", "-C", self.home, "-czf", "-", "dist-1.1"]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def _write(self) -> None:
        texts = {
            "project/site.star": DEFINITION.replace("@REGISTRY@", self.registry.host),
            "project/motd": "hello\n",
            "project/made/make": "mkdir -p out && echo made > out/made.jar\n",
            "project/built/Dockerfile": "ARG BASE\nFROM $BASE\nCOPY app.jar /\nRUN echo built > /from-dockerfile\n",
            "project/own/Dockerfile": f"FROM {self.pinned}\nRUN echo own > /own\n",
            "project/sources.toml": f'[[maven.repositories]]\nid = "ours"\nurl = "{self.maven.url}"\n',
            ".m2/settings.xml": "<settings><servers><server><id>ours</id><username>ann</username>"
            "<password>${env.MAVEN_PASSWORD}</password></server></servers></settings>",
        }
        for name, text in texts.items():
            (self.home / name).parent.mkdir(parents=True, exist_ok=True)
            (self.home / name).write_text(text, encoding="utf-8")
        (self.home / "project" / "guest").mkdir()
        (self.home / "project" / "guest" / "tiny.pkr.hcl").write_text(HCL, encoding="utf-8")
        (self.home / "project" / "guest" / "base.raw").write_bytes(DISK)
        (self.home / ".docker").mkdir()
        (self.home / ".docker" / "config.json").write_bytes(self.registry.docker_config())

    def floto(self, *arguments: str) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "MAVEN_PASSWORD": "secret words",
            "SOURCE_DATE_EPOCH": "1700000000",
        }
        command = [sys.executable, "-m", "builder.cli.main", *arguments]
        done = subprocess.run(command, cwd=self.home, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def build(self, name: str, *options: str, store: str = "store") -> str:
        output = f"{name}.floto"
        engine = ("--engine", self.engine.address, "--store", store)
        self.said = self.floto("build", "project", "--key", "keys/full.key", "--output", output, *engine, *options)
        return digest_of((self.home / output).read_bytes())

    def lock(self, *options: str) -> str:
        return self.floto("lock", "project", "--engine", self.engine.address, "--store", "store", *options)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Full]:
    if reason := engines.missing() or registries.missing():
        pytest.skip(reason)
    plugin = DEBIAN / "org/apache/maven/plugins/maven-dependency-plugin/3.5.0"
    if not shutil.which("mvn") or not plugin.is_dir():
        pytest.skip("not installed: maven libmaven-dependency-plugin-java junit4 (Debian packages)")
    if not all(map(shutil.which, ("packer", "qemu-img", "qemu-system-x86_64"))):
        pytest.skip("not installed: packer qemu-utils qemu-system-x86 (Debian packages)")
    with ExitStack() as opened:
        made = Full(tmp_path, opened)
        made.floto("keygen", "full", "--no-passphrase")
        yield made


@pytest.mark.engine
def test_a_release_of_everything_is_built_again_with_every_server_stopped(full: Full) -> None:
    locked = full.lock()
    assert "com.acme:nightly:3.0-20240101.101010-1:jar" in locked
    first = full.build("first", "--locked")
    inspected = json.loads(full.floto("inspect", "first.floto", "--json"))
    assert sorted(inspected["images"]) == ["front", "own", "tools", "whole"]
    bill = json.loads(full.floto("inspect", "first.floto", "--sbom"))
    assert {"guest", "whole", "maven-resolver-impl"} <= {one["name"] for one in bill["components"]}
    provenance = json.loads(full.floto("inspect", "first.floto", "--provenance"))
    tools = {one["name"]: one["annotations"] for one in provenance["predicate"]["runDetails"]["byproducts"]}
    assert sorted(tools) == ["image built", "image own", "machine image guest"]
    assert sorted(tools["machine image guest"]) == ["packer", "qemu-img"]
    full.snapshot("20240202.101010-2", b"second night")
    full.registry.push("team/front:1", [images.busybox_layer()])
    elsewhere = full.build("elsewhere", "--locked", store="another-store")
    assert elsewhere == first
    listed = full.engine.docker("load", content=_images(full.home / "first.floto"))
    assert "full/whole:1.0" in listed
    shown = full.engine.docker("run", "--rm", "--network=none", "full/whole:1.0").split()
    for name in ("shop.war", "run", "nightly.jar", "made.jar", "maven-resolver-impl-1.6.3.jar", "built"):
        assert name in shown
    full.registry.stop()
    full.maven.__exit__()
    full.engine.kill()
    assert full.build("again", "--locked") == first
    assert all(
        ", reused" in line for line in full.said.splitlines() if line.startswith(("image", "artifact", "machine"))
    )


def _images(bundle: Path) -> bytes:
    unpacked = bundle.with_suffix("")
    unpacked.mkdir()
    subprocess.run(["tar", "--zstd", "-xf", bundle, "-C", unpacked], check=True)
    return subprocess.run(["tar", "-cf", "-", "-C", unpacked, "."], check=True, capture_output=True).stdout


@pytest.mark.engine
def test_the_lock_holds_until_it_is_upgraded(full: Full) -> None:
    definition = full.home / "project" / "site.star"
    definition.write_text(definition.read_text("utf-8").replace(", transitive = True", ""), encoding="utf-8")
    full.lock()
    before = full.build("before")
    full.snapshot("20240202.101010-2", b"second night")
    full.registry.push("team/front:1", [images.busybox_layer()])
    assert full.build("held") == before
    upgraded = full.lock("--upgrade", "com.acme:nightly:3.0-SNAPSHOT", "--upgrade", "front")
    assert [line.split(":")[0] for line in upgraded.splitlines() if " -> " in line] == [
        "artifact com.acme",
        f"image {full.registry.host.partition(':')[0]}",
    ]
    assert full.build("upgraded", "--locked") != before
    (full.home / "project" / "motd").write_text("changed\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"file motd: sha256:\w+ -> sha256:\w+"):
        full.build("drifted", "--locked")
    with pytest.raises(AssertionError, match=r"nothing is called nonsense"):
        full.lock("--upgrade", "nonsense")
