"""What an engine's JSON means, also where engines differ."""

from typing import Any

import pytest

from agent.state import Checked
from agent.targets.docker.reading import container_from, disk_from, facts_from, image_from, network_from, seconds_of
from bundle_format.release.fittings import Port

STATE = {
    "Status": "running",
    "ExitCode": 0,
    "StartedAt": "2026-11-23T15:44:15.877561790Z",
    "Error": "",
}
HOST = {
    "RestartPolicy": {"Name": "always"},
    "Memory": 0,
    "NanoCpus": 1_500_000_000,
    "Privileged": False,
    "ReadonlyRootfs": False,
}


def container(**parts: Any) -> dict[str, Any]:
    """The least that an engine says of a container."""
    return {
        "Id": "1f",
        "Name": "/web",
        "Image": "sha256:1",
        "RestartCount": 3,
        "State": {**STATE, **parts.pop("State", {})},
        "Config": parts.pop("Config", {}),
        "HostConfig": {**HOST, **parts.pop("HostConfig", {})},
        "NetworkSettings": parts.pop("NetworkSettings", {}),
    }


def test_a_container_of_which_little_is_said() -> None:
    state = container_from(container())

    assert (state.name, state.status, state.health, state.restarts, state.labels) == ("web", "running", "none", 3, None)
    assert (state.settings.command, state.settings.env, state.settings.cpu_millis) == ((), {}, 1500)
    assert (state.ports, state.settings.networks, state.settings.mounts) == ((), (), ())


def test_mounts_are_told_alike_in_whatever_form_they_were_asked_for() -> None:
    long = [
        {"Type": "volume", "Source": "data", "Target": "/data"},
        {"Type": "bind", "Source": "/etc", "Target": "/host", "ReadOnly": True},
    ]

    for wish in ({"Mounts": long}, {"Binds": ["data:/data", "/etc:/host:ro,z"]}):
        assert container_from(container(HostConfig=wish)).settings.mounts == (
            "host:/etc:/host:ro",
            "volume:data:/data:rw",
        )


def test_env_is_never_shown() -> None:
    state = container_from(container(Config={"Env": ["PASSWORD=hunter2"]}))

    assert state.settings.env == {"PASSWORD": "hunter2"}
    assert "hunter2" not in repr(state)


@pytest.mark.parametrize(
    ("settings", "wish", "ports"),
    [
        ({"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}, {}, [(80, 8080, "tcp", "127.0.0.1")]),
        ({"80/tcp": None}, {"53/udp": [{"HostIp": "", "HostPort": "53"}]}, [(53, 53, "udp", "0.0.0.0")]),
        ({}, {"80/tcp": [{"HostIp": "", "HostPort": ""}]}, []),
        (
            {"80/tcp": [{"HostIp": "::", "HostPort": "32768"}]},
            {"80/tcp": [{"HostPort": ""}]},
            [(80, 32768, "tcp", "::")],
        ),
        (None, None, []),
    ],
)
def test_ports_are_those_it_has_or_else_those_it_wants(settings: Any, wish: Any, ports: list[Any]) -> None:
    state = container_from(container(NetworkSettings={"Ports": settings}, HostConfig={"PortBindings": wish}))

    assert list(state.ports) == [
        Port(container=inside, host=outside, protocol=protocol, address=address)
        for inside, outside, protocol, address in ports
    ]


def test_the_engine_s_own_words_say_why_and_never_what_a_check_printed() -> None:
    log = [{"ExitCode": 1, "Output": "login with correct-horse-battery failed"}]
    unhealthy = container_from(container(State={"Health": {"Status": "unhealthy", "Log": log}}))
    broken = container_from(container(State={"Status": "created", "Error": "port is already allocated"}))

    assert (unhealthy.health, unhealthy.reason) == ("unhealthy", "")
    assert unhealthy.checked == Checked(1, "login with correct-horse-battery failed")
    assert "correct-horse" not in repr(unhealthy)
    assert broken.reason == "port is already allocated"


@pytest.mark.parametrize(
    ("status", "store"),
    [
        ([["driver-type", "io.containerd.snapshotter.v1"]], "containerd"),
        ([["Backing Filesystem", "extfs"]], "classic"),
        (None, "classic"),
    ],
)
def test_the_image_store_is_told_by_its_driver(status: Any, store: str) -> None:
    version = {"Version": "28.5.2", "ApiVersion": "1.51", "Arch": "arm64"}
    info = {
        "ID": "a", "Name": "n", "Driver": "d", "DriverStatus": status, "DockerRootDir": "/r",
        "SystemTime": "1970-01-01T00:01:40.123456789Z",
    }  # fmt: skip

    facts = facts_from("unix:///x", version, info, 40)

    assert (facts.store, facts.api, facts.architecture, facts.skew) == (store, (1, 51), "arm64", 60)


def test_half_an_image_has_no_layers() -> None:
    assert image_from({"Id": "i", "RootFS": {}, "Size": 0}).layers == ()


def test_a_network_of_the_engine_itself_has_no_subnet() -> None:
    network = {"Id": "n", "Name": "host", "Driver": "host", "IPAM": {"Config": None}, "Internal": False, "Labels": None}

    state = network_from(network)

    assert (state.subnet, state.gateway, state.labels) == (None, None, None)


def test_sizes_that_an_engine_does_not_tell_are_unknown() -> None:
    volumes = [{"Name": "a", "UsageData": {"Size": 5}}, {"Name": "b", "UsageData": {"Size": -1}}, {"Name": "c"}]

    use = disk_from({"LayersSize": 7, "Containers": None, "Volumes": volumes}, None)

    assert (use.images, use.containers, use.volumes) == (7, 0, {"a": 5, "b": None, "c": None})


def test_never_is_nought() -> None:
    assert seconds_of("0001-01-01T00:00:00Z") == 0
    assert seconds_of("1970-01-01T01:00:00.5+01:00") == 0.5
