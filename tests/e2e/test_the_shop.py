"""The main job from end to end: the shop's bundle, applied by the frozen agent to an engine without any internet."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle_format.errors import ExitCode
from tests.e2e.places import Home, Site, run

PRODUCTS = [
    {"name": "apple", "price_cents": 40},
    {"name": "bread", "price_cents": 320},
    {"name": "cheese", "price_cents": 890},
]


def sql(site: Site, statement: str) -> str:
    """What the shop's database answers."""
    return site.engine.docker("exec", "database", "psql", "-h", "/tmp", "-U", "shop", "-tAc", statement)


def test_a_site_from_its_first_day_to_its_first_update(site: Site, first: Path, second: Path):
    applied = site.apply(first)
    assert "create front: missing" in applied.stdout
    headers, answer = site.fetch("/products")
    assert (answer, headers["x-shop"]) == ({"node": "catalogue-1", "products": PRODUCTS}, "welcome")

    before = site.containers()
    assert "nothing to do" in site.apply(first).stdout
    assert site.containers() == before

    assert "running, healthy" in site.agent("status").stdout
    assert "GET /products" in site.agent("logs", "front").stdout
    site.engine.docker("stop", "front")
    assert "front: stopped" in site.agent("status", expect=ExitCode.DRIFT).stdout
    site.engine.docker("start", "front")

    sql(site, "INSERT INTO product VALUES ('dates', 450)")
    planned = site.agent("plan", second).stdout
    assert re.search(r"front.*nginx\.conf.*line \d+", planned), planned
    site.apply(second)
    after = site.containers()
    running = {name for name in before if not name.startswith("migration")}
    assert {name for name in running if after[name] != before[name]} == {"front"}
    headers, answer = site.fetch("/products")
    assert headers["x-release"] == "second"
    assert {"name": "dates", "price_cents": 450} in answer["products"], "the volume's data are still there"
    assert "nothing to do" in site.apply(second).stdout

    assert_secret_nowhere(site, first)


def assert_secret_nowhere(site: Site, bundle: Path) -> None:
    """The secret is where the definition asked for it and in no other place."""
    secret = site.secret
    assert secret.encode() not in bundle.read_bytes()
    assert not [text for text in site.said if secret in text]
    assert not [path for path in site.state.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    for name in site.containers():
        logs = run("docker", "--host", site.engine.address, "logs", name)
        assert secret not in logs.stdout + logs.stderr, f"log of {name}"
        inspected = site.engine.docker("inspect", name)
        assert secret not in site.engine.docker("inspect", "--format", "{{json .Config.Labels}}", name)
        asked = name == "database" or name.startswith("migration")
        assert (secret in inspected) == asked, f"docker inspect {name}"
    for image in site.engine.docker("images", "-q").split():
        assert secret not in site.engine.docker("inspect", image)


@pytest.mark.parametrize("seconds", [3.0, 8.0])
def test_an_agent_killed_at_any_time_is_followed_by_one_that_ends_right(site: Site, first: Path, seconds: float):
    kill_after(site, first, seconds)
    site.apply(first)
    assert site.fetch("/products")[1]["products"] == PRODUCTS
    assert set(site.containers()) >= {"database", "catalogue-1", "front"}
    assert "nothing to do" in site.apply(first).stdout


def test_an_agent_killed_in_the_middle_of_an_update_is_followed_by_one_that_ends_right(
    site: Site, first: Path, second: Path
):
    site.apply(first)
    before = set(site.containers().values())
    with started(site, second) as agent:
        until(lambda: set(site.containers().values()) - before)
        os.killpg(agent.pid, signal.SIGKILL)
    site.apply(second)
    assert site.fetch("/products")[0]["x-release"] == "second"
    assert "nothing to do" in site.apply(second).stdout


def test_two_catalogue_nodes_where_a_site_chooses_so(site: Site, first: Path):
    site.write(site.toml.replace("ha = false", "ha = true"))
    site.apply(first)
    assert [site.fetch(f"/nodes/catalogue-{number}")[1]["node"] for number in (1, 2)] == ["catalogue-1", "catalogue-2"]
    site.engine.docker("stop", "catalogue-1")
    assert site.fetch("/products")[1] == {"node": "catalogue-2", "products": PRODUCTS}


def started(site: Site, bundle: Path) -> "subprocess.Popen[bytes]":
    """An apply that is under way, in a process group of its own."""
    return subprocess.Popen(
        site.command("apply", bundle, "--yes"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill_after(site: Site, bundle: Path, seconds: float) -> None:
    """Begin to apply, and kill the agent with all its processes after so many seconds."""
    with started(site, bundle) as agent:
        time.sleep(seconds)
        os.killpg(agent.pid, signal.SIGKILL)


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for a condition; AssertionError when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_the_release_is_plain_zstd_and_tar_and_oci_for_whoever_has_no_floto(site: Site, first: Path, tmp_path: Path):
    run("zstd", "-q", "-t", first)
    listed = run("tar", "--zstd", "-tf", first).stdout.splitlines()
    assert {"oci-layout", "index.json"} <= {name.removeprefix("./") for name in listed}
    run("tar", "--zstd", "-xf", first, "-C", tmp_path)
    archive = tmp_path / "image.tar"
    run("skopeo", "copy", f"oci:{tmp_path}:shop/nginx:2024.1", f"docker-archive:{archive}:shop/nginx:by-hand")
    site.engine.docker("load", "-i", str(archive))
    assert "nginx version" in site.engine.docker("run", "--rm", "shop/nginx:by-hand", "sh", "-c", "nginx -v 2>&1")


def test_the_same_definition_makes_the_same_bytes(home: Home, first: Path, tmp_path: Path):
    umask = os.umask(0o077)
    try:
        home.beside_engine(
            *("taskset", "-c", "0", "floto-builder", "build", home.shop, "--key", home.key),
            *("--sequence", "1", "--store", tmp_path / "store", "--output", tmp_path / "again.floto"),
            TZ="Pacific/Chatham",
            PYTHONHASHSEED="7",
            LC_ALL="C",
        )
    finally:
        os.umask(umask)
    assert (tmp_path / "again.floto").read_bytes() == first.read_bytes()
