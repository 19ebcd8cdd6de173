"""A site's file: read against a release, every fault by line and column in one go, no secret ever quoted."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle_format.errors import ExitCode, ParameterError
from bundle_format.release.model import Choice, Parameter, Release, Variant
from bundle_format.site.hypervisors import SecretSource
from bundle_format.site.sitefile import Site, load_site, read_site, variant_of


def variant(ha: bool) -> Variant:
    env = {name: {"$param": name} for name in ("app_ip", "heap", "password")}
    hosts: dict[str, dict[str, Any]] = {"app": {"address": {"$param": "app_ip"}}, "made": {"kind": "machine"}}
    if ha:
        hosts["log"] = {"address": {"$param": "log_ip"}}
    return Variant(when={"ha": ha}, objects={"host": hosts, "container": {"web": {"env": env}}})


SHOP = Release(
    product="shop",
    version="1.0",
    evaluator="test",
    sources={},
    parameters={
        "app_ip": Parameter(type="ip"),
        "log_ip": Parameter(type="ip", doc="where logs go"),
        "heap": Parameter(type="size", default=1 << 20, min=1 << 19),
        "password": Parameter(type="secret"),
    },
    choices={"ha": Choice(options=(False, True))},
    variants=(variant(False), variant(True)),
)
ENGINELESS = """\
site = "krakow-1"
[params]
app_ip = "10.0.0.1"
password = { file = "secrets/password" }
[hosts.app]
"""
GOOD = (
    ENGINELESS
    + """\
engine = "tcp://10.0.0.1:2376"
tls_ca = "tls/ca.pem"
tls_cert = "/etc/tls/cert.pem"
tls_key = "tls/key.pem"
"""
)


def read(text: str) -> Site:
    return read_site(text.encode(), Path("/sites/site.toml"), SHOP)


def faults(text: str) -> list[str]:
    with pytest.raises(ParameterError) as refused:
        read(text)
    assert refused.value.exit_code == ExitCode.PARAMETER
    assert "hunter2" not in refused.value.message
    return [line.removeprefix("/sites/site.toml:") for line in refused.value.message.splitlines()]


def test_a_site_is_complete_once_it_is_read() -> None:
    site = read(GOOD)
    assert (site.name, site.choices, site.parameters) == (
        "krakow-1", {"ha": False}, {"app_ip": "10.0.0.1", "heap": 1 << 20}
    )  # fmt: skip
    assert site.secrets == {"password": SecretSource(file="/sites/secrets/password")}
    access = site.hosts["app"]
    assert (access.tls_ca, access.tls_cert) == ("/sites/tls/ca.pem", "/etc/tls/cert.pem")


def test_what_only_another_variant_needs_may_be_missing() -> None:
    assert faults(GOOD.replace("[params]", "choices.ha = true\n[params]")) == [
        "3:1: error: params.log_ip: missing, wants ip (where logs go)",
        '6:1: error: hosts.log: missing, wants [hosts.log] with its engine = "unix:///..."',
    ]


def test_all_faults_are_told_in_the_order_of_their_places() -> None:
    text = """\
site = "Krakow_1"
[choices]
ha = 1
[params]
app_ip = "10.20.0.311"
app_ipp = "10.20.0.31"
heap = 1024
password = "hunter2"
[hosts.aps]
engine = "unix:///run/docker.sock"
[hosts.app]
engine = "unix:docker.sock"
tls_crt = "a"
[hots]
"""
    assert faults(text) == [
        "1:8: error: site: must be lower-case letters, digits and '-', such as krakow-1",
        "3:6: error: choices.ha: must be one of false, true",
        "5:10: error: params.app_ip: must be an IPv4 or IPv6 address",
        "6:1: error: params.app_ipp: unknown key; did you mean 'app_ip'?",
        "7:8: error: params.heap: must be at least \"512k\"",
        "8:12: error: params.password: a secret must be { file = ... }, { env = ... } or { prompt = true }, never written out",  # noqa: E501
        "9:1: error: hosts.aps: unknown key; did you mean 'app'?",
        "12:10: error: hosts.app.engine: must be unix:///PATH, npipe:////./pipe/NAME, tcp://HOST:PORT or ssh://USER@HOST:PORT, and hold no password",  # noqa: E501
        "13:1: error: hosts.app.tls_crt: unknown key; did you mean 'tls_cert'?",
        "14:1: error: hots: unknown key; did you mean 'hosts'?",
    ]  # fmt: skip


@pytest.mark.parametrize("table", ['params = "a"', "hosts = 1", "choices = []", "[hosts]\napp = 1"])
def test_what_shall_be_a_table_is_one(table: str) -> None:
    assert any("must be a table" in fault for fault in faults(table))


@pytest.mark.parametrize(
    "source", ['{ file = "a", env = "B" }', "{}", "{ prompt = false }", '{ file = "" }', '{ fil = "a" }', "['hunter2']"]
)
def test_a_secret_has_one_source(source: str) -> None:
    assert any("password" in fault for fault in faults(GOOD.replace('{ file = "secrets/password" }', source)))


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ('engine = "ssh://floto:hunter2@10.0.0.1"', "hold no password"),
        ('engine = "tcp://10.0.0.1"', "must be unix:///PATH"),
        ('engine = "unix:///run/docker.sock"\ntls_ca = "a"', "are for a tcp:// engine"),
        ('engine = "tcp://10.0.0.1:2376"\ntls_cert = "a"', "tls_cert and tls_key belong together"),
        ('engine = "tcp://10.0.0.1:2376"\nssh_key = "a"', "are for an ssh:// engine"),
        ('engine = "tcp://10.0.0.1:2376"\ntls_ca = "C:\\tls"', "tls_ca: holds a control character (in double quotes"),
        ('tls_ca = "a"', "hosts.app.engine: missing"),
    ],
)
def test_the_way_to_an_engine_fits_together(lines: str, fault: str) -> None:
    (told,) = faults(ENGINELESS + lines)
    assert fault in told


@pytest.mark.parametrize(
    "engine",
    [
        "unix:///run/docker.sock",
        "npipe:////./pipe/docker_engine",
        "ssh://floto@10.0.0.1:22",
        "ssh://app",
        "ssh://app/run/user/1000/docker.sock",
    ],
)
def test_every_way_to_an_engine_is_taken(engine: str) -> None:
    assert read(ENGINELESS + f'engine = "{engine}"').hosts["app"].engine == engine


PIECES = st.sampled_from(
    [
        *GOOD.splitlines(),
        *(
            "[params]",
            "[hosts.app]",
            "[[params]]",
            "choices.ha = 1",
            "params = 3",
            "site = {}",
            "engine = []",
            "'' = 1",
        ),
        *("app_ip = {}", "heap = 1e9", "heap = 1979-05-27", "password = { file = 1 }", "password = { prompt = 1 }"),
    ]
)


@given(st.one_of(st.binary(max_size=80), st.lists(PIECES, max_size=12).map(lambda lines: "\n".join(lines).encode())))
def test_any_file_is_read_or_refused(content: bytes) -> None:
    try:
        site = read_site(content, Path("/sites/site.toml"), SHOP)
    except ParameterError as error:
        assert all(line.startswith("/sites/site.toml:") for line in error.message.splitlines())
    else:
        assert site.hosts["app"].engine


def test_a_file_that_is_not_there_is_told_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="No such file") as refused:
        load_site(tmp_path / "site.toml", SHOP)
    assert "--site" in refused.value.hint


def test_a_variant_is_found_by_its_choices() -> None:
    assert variant_of(SHOP, {"ha": True}) is SHOP.variants[1]
    with pytest.raises(ParameterError, match=r"no variant for ha = maybe"):
        variant_of(SHOP, {"ha": "maybe"})
