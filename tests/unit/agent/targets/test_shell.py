"""Programs on a host: what they see, and what is not waited for."""

import time

import pytest

from agent.targets.shell import HostShell
from bundle_format.errors import TargetError
from bundle_format.release.deployment import Access

HERE = HostShell("one", Access(engine="unix:///var/run/docker.sock"))


def test_a_program_sees_no_variable_of_the_agent_and_gets_no_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "correct-horse")
    said = list[str]()

    assert HERE.run(["sh", "-c", "env; cat"], 60, said.append) == 0
    assert not any("correct-horse" in line for line in said)
    assert any(line.startswith("PATH=") for line in said)


def test_what_a_program_leaves_running_is_not_waited_for() -> None:
    began = time.monotonic()
    assert HERE.run(["sh", "-c", "sleep 30 & echo started"], 20, print) == 0
    assert time.monotonic() - began < 20


def test_of_much_output_the_end_is_kept() -> None:
    said = list[str]()
    HERE.run(["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo; printf 'last\\377\\n'"], 60, said.append)
    assert said[-1] == "last\ufffd"
    assert sum(map(len, said)) <= 1 << 20


def test_a_host_without_a_login_is_told() -> None:
    shell = HostShell("two", Access(engine="ssh://floto@127.0.0.1:1"))
    with pytest.raises(TargetError, match=r"two: no ssh login at ssh://floto@127.0.0.1:1: .*refused"):
        shell.run(["true"], 20, print)
