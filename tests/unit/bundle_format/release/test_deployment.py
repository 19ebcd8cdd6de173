"""What a deployment's fields take: late numbers as text, secrets only where nobody reads along."""

import pytest
from pydantic import ValidationError

from bundle_format.release.deployment import Container, Volume
from bundle_format.release.fields import Sealed
from bundle_format.release.fittings import HostMount, RenderedFile
from bundle_format.release.trees import Placement
from bundle_format.release.value import faults_of

SECRET = Sealed("hunter2", b"key")


def test_numbers_and_truth_values_read_as_text_where_text_is_wanted() -> None:
    container = Container(name="web", host="app", image="web", env={"PORT": 80, "DEBUG": False}, user=1000)  # type: ignore[dict-item,arg-type]
    assert (container.env, container.user) == ({"PORT": "80", "DEBUG": "false"}, "1000")


@pytest.mark.parametrize(
    "field", [{"labels": {"a": SECRET}}, {"command": ("run", SECRET)}, {"hostname": SECRET}, {"user": SECRET}]
)
def test_a_secret_is_refused_where_everybody_reads_along(field: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as refused:
        Container.model_validate({"name": "web", "host": "app", "image": "web", **field})
    (fault,) = faults_of(refused.value)
    assert "a secret cannot stand here" in fault[1]
    assert "hunter2" not in str(refused.value)


def test_a_secret_may_stand_in_the_environment_and_is_never_shown() -> None:
    container = Container(name="web", host="app", image="web", env={"PASSWORD": SECRET})
    assert container.env["PASSWORD"] == SECRET
    assert "hunter2" not in repr(container)


def test_a_placement_names_one_source() -> None:
    for both_or_none in ({}, {"template": "aa", "file": "bb"}):
        with pytest.raises(ValidationError, match="must name a template or a file"):
            Placement.model_validate({"path": "/etc/a", **both_or_none})


@pytest.mark.parametrize("number", [-1, 2**32 - 1])
def test_what_has_an_owner_has_one_that_linux_knows(number: int) -> None:
    file = {"path": "/etc/a", "content": b"", "digest": ""}
    for read in (
        lambda: Volume.model_validate({"name": "rows", "uid": number}),
        lambda: Placement.model_validate({"path": "/etc/a", "file": "aa", "gid": number}),
        lambda: RenderedFile.model_validate({**file, "uid": number}),
    ):
        with pytest.raises(ValidationError, match=r"equal to (0|4294967294)\b"):
            read()


@pytest.mark.parametrize("path", ["etc/a", "/etc/../a", ""])
def test_threat_20_a_file_lies_at_an_absolute_path_without_dots(path: str) -> None:
    with pytest.raises(ValidationError, match="absolute path"):
        RenderedFile(path=path, content=b"", digest="")


@pytest.mark.parametrize(
    ("field", "fault"),
    [
        ({"labels": {"floto.product": "other"}}, "are the agent's own"),
        ({"env": {"A=B": "c"}}, "no '='"),
        ({"env": {"": "c"}}, "the name of a variable"),
        ({"hostname": "web_1"}, "a host name has"),
        ({"hostname": "web\n"}, "a host name has"),
        ({"mounts": ({"kind": "host", "source": "data", "path": "/data"},)}, "absolute path of the host"),
        ({"mounts": ({"kind": "host", "source": "/srv/../etc", "path": "/data"},)}, "absolute path of the host"),
        ({"env": {"A": "b\0"}}, "NUL"),
        ({"labels": {"": "c"}}, "a label has a name"),
        ({"mounts": ({"kind": "tmpfs", "path": "/./"},)}, "below it"),
        ({"mounts": ({"kind": "tmpfs", "path": "/t", "size": -3},)}, "equal to 1"),
        ({"shm_size": 0}, "equal to 1"),
        ({"health_deadline": 0}, "equal to 1"),
        ({"healthcheck": {"test": ("CMD", "true"), "interval": 0}}, "equal to 1"),
        ({"healthcheck": {"test": ("CMD", "true"), "timeout": 0}}, "equal to 1"),
        ({"healthcheck": {"test": ("CMD", "true"), "retries": 0}}, "equal to 1"),
        ({"log": {"max_files": 0}}, "equal to 1"),
        ({"stop_signal": "SIGFOO"}, "a signal"),
        ({"stop_signal": "0"}, "a signal"),
        ({"stop_signal": "RTMIN+16"}, "a signal"),
        ({"cap_add": ("NET_ADMN",)}, "a capability"),
        ({"cap_drop": ("",)}, "a capability"),
        ({"cap_drop": ("CAP_ALL",)}, "a capability"),
        ({"ulimits": ({"name": "nofil", "soft": 3, "hard": 3},)}, "Input should be .core."),
        ({"ulimits": ({"name": "nofile", "soft": 5, "hard": 3},)}, "above its hard one"),
        ({"ulimits": ({"name": "nofile", "soft": -1, "hard": 3},)}, "above its hard one"),
        ({"ulimits": ({"name": "nofile", "soft": -2, "hard": -1},)}, "equal to -1"),
        ({"extra_hosts": {"db": "nope"}}, "or host-gateway"),
        ({"sysctls": {"": "1"}}, "a kernel setting"),
        ({"devices": ("ttyS0",)}, "a device"),
        ({"devices": ("/dev/ttyS0:tty",)}, "a device"),
        ({"user": "a b"}, "a user's name"),
        ({"user": -1}, "a user's name"),
        ({"user": "0:0:0"}, "a user's name"),
        ({"command": ()}, "at least one word"),
        ({"healthcheck": {"test": ("CMD",)}}, "at least one word"),
    ],
)
def test_what_an_engine_or_an_owner_would_misread_is_refused(field: dict[str, object], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        Container.model_validate({"name": "web", "host": "app", "image": "web", **field})


@pytest.mark.parametrize(
    "field",
    [
        *({"stop_signal": name} for name in ("SIGTERM", "term", "SIGRTMIN+3", "RTMAX-14", "15")),
        *({"cap_add": (name,)} for name in ("NET_ADMIN", "CAP_SYS_PTRACE", "all")),
        *({"ulimits": ({"name": "nofile", "soft": soft, "hard": hard},)} for soft, hard in ((-1, -1), (5, -1), (0, 5))),
        *({"extra_hosts": {"db": address}} for address in ("192.0.2.1", "2001:db8::1", "host-gateway")),
        *({"sysctls": {name: "1"}} for name in ("net.core.somaxconn", "net/ipv4/conf/eth0.100/forwarding")),
        *({"devices": (text,)} for text in ("/dev/ttyS0", "/dev/sda:/dev/xvda", "/dev/sda:/dev/xvda:r", "/dev/sda::r")),
        *({"user": user} for user in (0, "app", "app:app", "1000:0")),
    ],
    ids=str,
)
def test_what_engines_take_is_taken(field: dict[str, object]) -> None:
    Container.model_validate({"name": "web", "host": "app", "image": "web", **field})


@pytest.mark.parametrize("source", ["/srv/data", "C:\\data", "\\\\server\\share"])
def test_paths_of_hosts_are_those_of_their_systems(source: str) -> None:
    assert HostMount(source=source, path="/data").source == source
