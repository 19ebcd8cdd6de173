"""A release's site.toml as a form: it reads as TOML, and says of each value what it wants."""

import tomllib
from pathlib import Path

import pytest

from bundle_format.release.model import Choice, Parameter, Release, Variant
from bundle_format.site.form import site_form
from bundle_format.site.sitefile import FaultySiteError, read_site

FORM = """\
# shop 2024.1: fill in what stands empty; what is commented out is the default.
site = ""  # the name of this place, such as krakow-1; it never changes

[choices]
# two web nodes
# ha = false  # one of false, true

[params]
# name under which customers reach the shop
domain = ""  # fqdn, such as "shop.example.net"
# heap = "512m"  # size, at least "64m", at most "1500k"
db_password = { file = "secrets/db_password" }  # secret
# second_ip = ""  # ip, with some choices only
# mode = "fast"  # string, one of "fast", "safe"

[hosts.server]
engine = "unix:///var/run/docker.sock"

# [hosts.second]
# engine = "unix:///var/run/docker.sock"
"""


@pytest.fixture
def release() -> Release:
    late = {"$text": [{"$param": "domain"}, {"$param": "heap"}, {"$param": "db_password"}, {"$param": "mode"}]}
    one = {"host": {"server": {"address": late}}}
    two = {"host": {"server": {"address": late}, "second": {"address": {"$param": "second_ip"}}}}
    return Release(
        product="shop",
        version="2024.1",
        evaluator="-",
        sources={},
        parameters={
            "domain": Parameter(
                type="fqdn", doc="name under which\n  customers reach the shop", example="shop.example.net"
            ),
            "heap": Parameter(type="size", default=512 << 20, min=64 << 20, max=1500 << 10),
            "db_password": Parameter(type="secret"),
            "second_ip": Parameter(type="ip"),
            "mode": Parameter(type="string", default="fast", one_of=("fast", "safe")),
        },
        choices={"ha": Choice(options=(False, True), doc="two web nodes")},
        variants=(Variant(when={"ha": False}, objects=one), Variant(when={"ha": True}, objects=two)),
    )


def test_the_form_asks_for_what_is_needed_and_shows_what_may_differ(release: Release) -> None:
    assert site_form(release) == FORM


def test_an_empty_form_is_told_value_by_value_and_a_filled_one_is_sound(release: Release) -> None:
    with pytest.raises(FaultySiteError) as told:
        read_site(FORM.encode(), Path("site.toml"), release)
    assert [str(fault).split(" error: ")[1].partition(":")[0] for fault in told.value.faults] == [
        "site",
        "params.domain",
    ]
    filled = FORM.replace('site = ""', 'site = "krakow-1"').replace('domain = ""', 'domain = "shop.example.net"')
    assert read_site(filled.encode(), Path("site.toml"), release).choices == {"ha": False}


def test_everything_that_is_commented_out_reads_as_toml_too(release: Release) -> None:
    lines = [line.removeprefix("# ") for line in FORM.splitlines() if " = " in line or line.startswith(("[", "# ["))]
    assert tomllib.loads("\n".join(lines))["params"]["mode"] == "fast"
