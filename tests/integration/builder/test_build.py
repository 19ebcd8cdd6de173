"""The program as a maker uses it: a project becomes a signed bundle, the same wherever and whenever it is built."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bundle_format.digest import digest_of
from bundle_format.errors import ExitCode
from tests.engines import PrivateEngine
from tests.integration.builder.conftest import BUSYBOX

DEFINITION = f'''"""A small product with every kind of image that needs no network."""
project("small", version = "1.2", doc = "small")
busybox = image("busybox", engine = "{BUSYBOX}")
tool = artifact("tool", build = ["sh", "make"], source = "tool", output = "tool.sh")
built = image("built", build = "built", args = {{"BASE": busybox}})
app = image("app", base = built, files = {{"/bin/tool": tool, "/srv": folder("www")}}, cmd = ["sh", "/bin/tool"])
server = host("server", address = param("address", type = "ip"))
page = template("page", src = "page.j2", vars = {{"address": server.address}})
container("app", image = app, host = server, mounts = {{"/etc/page": page}})
'''


def floto(*arguments: str | Path, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run floto-builder in `folder` with a bare environment."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **settings}
    command = [sys.executable, "-m", "builder.cli.main", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "site.star": DEFINITION,
        "page.j2": "{{ address }}\n",
        "tool/make": "printf '#!/bin/sh\\ncat /made /srv/page' > tool.sh\n",
        "built/Dockerfile": "ARG BASE\nFROM $BASE\nRUN echo made > /made\n",
        "www/page": "page\n",
        "www/b/deep": "deep\n",
    }
    for name, text in files.items():
        (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "project" / name).write_text(text, encoding="utf-8")
    made = floto("keygen", "small", "--no-passphrase", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    return tmp_path / "project"


@pytest.mark.engine
def test_a_bundle_is_the_same_wherever_and_whenever_it_is_built(project: Path, private_engine: PrivateEngine) -> None:
    home = project.parent
    surroundings = [
        (home, 0o022, {"TZ": "UTC", "PYTHONHASHSEED": "1", "SOURCE_DATE_EPOCH": "1700000000"}, {0, 1}),
        (project, 0o077, {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "99", "LC_ALL": "C"}, {0}),
    ]
    bundles, cores = [], os.sched_getaffinity(0)
    for number, (folder, umask, settings, wanted) in enumerate(surroundings):
        output = home / f"{number}.floto"
        before = os.umask(umask)
        os.sched_setaffinity(0, wanted & cores or cores)
        try:
            done = floto(
                *("build", project, "--key", home / "keys" / "small.key", "--output", output),
                *("--store", home / f"store{number}", "--engine", private_engine.address),
                folder=folder,
                **{"SOURCE_DATE_EPOCH": "1700000000", **settings},
            )
        finally:
            os.umask(before)
            os.sched_setaffinity(0, cores)
        assert done.returncode == 0, done.stderr
        assert "image app:" in done.stderr
        assert "signed by small" in done.stdout
        bundles.append(digest_of(output.read_bytes()))
    assert bundles[0] == bundles[1]


@pytest.mark.engine
def test_the_second_build_reuses_and_the_bundle_can_be_looked_into(
    project: Path, private_engine: PrivateEngine
) -> None:
    home = project.parent
    command = ("build", project, "--key", "keys/small.key", "--engine", private_engine.address, "--json")
    first = floto(*command, folder=home)
    assert first.returncode == 0, first.stderr
    assert "2000-01-01" in first.stderr
    told = json.loads(first.stdout)
    assert told["bundle"] == "small-1.2.floto"
    assert (home / "small-1.2.floto").stat().st_size == told["size"]
    again = floto(*command, "--output", "again.floto", folder=home)
    assert [line for line in again.stderr.splitlines() if line.startswith(("image", "artifact"))] != []
    assert all(", reused" in line for line in again.stderr.splitlines() if line.startswith(("image", "artifact")))
    assert json.loads(again.stdout)["index"] == told["index"]
    verified = floto("verify", "small-1.2.floto", "--json", folder=home)
    assert verified.returncode == 0, verified.stderr
    shown = json.loads(floto("inspect", "small-1.2.floto", "--json", folder=home).stdout)
    assert list(shown["images"]) == ["app"]
    assert list(shown["parameters"]) == ["address"]
    assert shown["index"] == told["index"]
    bill = json.loads(floto("inspect", "small-1.2.floto", "--sbom", folder=home).stdout)
    assert {one["name"] for one in bill["components"]} >= {"app", "page.j2"}
    provenance = json.loads(floto("inspect", "small-1.2.floto", "--provenance", folder=home).stdout)
    made = provenance["predicate"]["runDetails"]["byproducts"]
    assert [one["name"] for one in made] == ["image built"]
    assert provenance["predicate"]["buildDefinition"]["internalParameters"]["recipes"]["artifact tool"]["output"]


@pytest.mark.engine
def test_an_image_of_the_bundle_runs_without_floto(project: Path, private_engine: PrivateEngine) -> None:
    home = project.parent
    done = floto("build", project, "--key", "keys/small.key", "--engine", private_engine.address, folder=home)
    assert done.returncode == 0, done.stderr
    unpacked = home / "unpacked"
    unpacked.mkdir()
    subprocess.run(["tar", "--zstd", "-xf", home / "small-1.2.floto", "-C", unpacked], check=True)
    packed = subprocess.run(["tar", "-cf", "-", "-C", unpacked, "."], check=True, capture_output=True).stdout
    loaded = private_engine.docker("load", content=packed)
    image = loaded.rpartition(" ")[2]
    assert private_engine.docker("run", "--rm", "--network=none", image) == "made\npage"


def test_nothing_is_built_without_a_key(project: Path) -> None:
    done = floto("build", project, folder=project.parent)
    assert done.returncode == ExitCode.USAGE
    assert "every bundle is signed" in done.stderr
    assert "floto-builder keygen small" in done.stderr
    assert not list(project.parent.glob("*.floto"))


def test_keys_of_another_product_or_channel_are_refused(project: Path) -> None:
    home = project.parent
    floto("keygen", "other", "--no-passphrase", "--into", "others", folder=home)
    for options, message in (
        (("--key", "others/other.key"), "the keys are those of 'other', not of 'small'"),
        (("--key", "keys/small.key", "--channel", "beta"), "no channel 'beta'"),
        (
            ("--key", "others/other.key", "--roots", "keys"),
            "others/other.key is none of the keys that sign releases of small",
        ),
    ):
        done = floto("build", project, *options, folder=home)
        assert (done.returncode, message in done.stderr) == (ExitCode.USAGE, True), done.stderr


def test_an_engine_that_is_not_there_is_told_without_a_traceback(project: Path) -> None:
    done = floto("build", project, "--key", "keys/small.key", "--engine", "unix:///nowhere", folder=project.parent)
    assert done.returncode == ExitCode.USAGE
    assert "the engine at unix:///nowhere cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr
