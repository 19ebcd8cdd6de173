"""The schema of a site's file, judged by the engine that editors use."""

import json
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from bundle_format.errors import ParameterError
from bundle_format.release.model import Choice, Parameter, Release, Variant
from bundle_format.site.schema import REFERENCE, site_schema
from bundle_format.site.sitefile import read_site

TAPLO = shutil.which("taplo", path=sysconfig.get_path("scripts"))

PARAMETERS = {
    "ip": Parameter(type="ip"),
    "lan": Parameter(type="cidr"),
    "domain": Parameter(type="fqdn"),
    "heap_mb": Parameter(type="int", min=512),
    "port": Parameter(type="port"),
    "memory": Parameter(type="size"),
    "mode": Parameter(type="string", one_of=("fast", "safe")),
    "code": Parameter(type="string", pattern="[a-z]{3}"),
    "data": Parameter(type="path"),
    "debug": Parameter(type="bool", default=False),
    "password": Parameter(type="secret"),
}
SHOP = Release(
    product="shop",
    version="1.0",
    evaluator="test",
    sources={},
    parameters=PARAMETERS,
    choices={"nodes": Choice(options=(1, 3), doc="how many")},
    variants=tuple(
        Variant(when={"nodes": nodes}, objects={"host": {"app": {"vars": [{"$param": name} for name in PARAMETERS]}}})
        for nodes in (1, 3)
    ),
)
GOOD = f"""\
{REFERENCE}
site = "krakow-1"
[choices]
nodes = 3
[params]
ip = "2001:db8::1"
lan = "10.0.0.0/8"
domain = "krk.example.net"
heap_mb = 512
port = 443
memory = "4 GiB"
mode = "safe"
code = "krk"
data = 'C:\\data'
debug = true
password = {{ env = "PASSWORD" }}
[hosts.app]
engine = "unix:///var/run/docker.sock"
"""
FAULTS = {
    'site = "krakow-1"': 'site = "Krakow 1"',
    "nodes = 3": "nodes = 2",
    '"2001:db8::1"': '"10.20.0.311"',
    '"10.0.0.0/8"': '"10.0.0.0"',
    '"krk.example.net"': '"krk_.example.net"',
    "heap_mb = 512": "heap_mb = 511",
    "port = 443": "port = 70000",
    '"4 GiB"': '"4 GX"',
    '"safe"': '"slow"',
    '"krk"': '"krk1"',
    "'C:\\data'": "'data'",
    "debug = true": 'debug = "yes"',
    '{ env = "PASSWORD" }': '"hunter2"',
    '"unix:///var/run/docker.sock"': '"docker.sock"',
}


def lint(folder: Path, text: str) -> list[int]:
    """The lines of a site's file at which editors show a fault."""
    (folder / "site.schema.json").write_text(json.dumps(site_schema(SHOP)), encoding="utf-8")
    (folder / "site.toml").write_text(text, encoding="utf-8")
    assert TAPLO, "taplo is among the packages that the tests need"
    ended = subprocess.run([TAPLO, "lint", "site.toml"], cwd=folder, capture_output=True, text=True, check=False)
    assert (ended.returncode == 0) == ("site.toml:" not in ended.stderr), ended.stderr
    return sorted({int(line) for line in re.findall(r"site\.toml:(\d+):\d+", ended.stderr)})


def judged(text: str) -> list[int]:
    """The lines at which the agent finds a fault."""
    try:
        read_site(text.encode(), Path("site.toml"), SHOP)
    except ParameterError as error:
        return [int(line) for line in re.findall(r"^site\.toml:(\d+):", error.message, re.MULTILINE)]
    return []


def test_editors_and_agent_accept_a_good_site(tmp_path: Path) -> None:
    assert lint(tmp_path, GOOD) == judged(GOOD) == []


def test_editors_and_agent_find_the_same_planted_faults(tmp_path: Path) -> None:
    bad = GOOD
    for right, wrong in FAULTS.items():
        assert right in bad
        bad = bad.replace(right, wrong)
    expected = [place for place, line in enumerate(bad.splitlines(), 1) if line not in GOOD.splitlines()]
    assert len(expected) == len(FAULTS)
    assert lint(tmp_path, bad) == judged(bad) == expected


@pytest.mark.parametrize("line", ["portt = 443", 'engin = "unix:///x"'])
def test_editors_show_unknown_keys(tmp_path: Path, line: str) -> None:
    table = "[params]\n" if line.startswith("port") else "[hosts.app]\n"
    assert lint(tmp_path, GOOD.replace(table, f"{table}{line}\n"))


def test_editors_show_what_is_missing(tmp_path: Path) -> None:
    assert lint(tmp_path, GOOD.replace('lan = "10.0.0.0/8"\n', ""))
    assert lint(tmp_path, GOOD.replace("debug = true\n", "")) == [], "it has a default"


def test_what_only_some_variants_need_is_not_demanded_by_an_editor() -> None:
    apart = SHOP.model_copy(
        update={"variants": (SHOP.variants[0], Variant(when={"nodes": 3}, objects={"host": {"log": {}}}))}
    )
    schema = site_schema(apart)
    assert "required" not in schema["properties"]["params"]
    assert "required" not in schema["properties"]["hosts"]
    assert set(schema["properties"]["hosts"]["properties"]) == {"app", "log"}
