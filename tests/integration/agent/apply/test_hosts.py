"""One site of three hosts with an engine each: on a socket, over TLS, over ssh; one of them is lost in the middle."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bundle_format.release.deployment import Access
from tests.certificates import Authority
from tests.corner_shop import make_shop, write_site
from tests.engines import PrivateEngine
from tests.integration.agent.apply.conftest import Agent
from tests.ssh import SshServer, ssh_missing
from tests.terminals import CTRL_C

pytestmark = pytest.mark.engine

APPS = {f"app-{host}": {"host": host, "image": "base", "stop_grace": 1} for host in ("north", "south")}


@dataclass(frozen=True)
class Hosts:
    """The agent of the site and the two engines that are reached over the network."""

    agent: Agent
    engines: dict[str, PrivateEngine]

    def bundle(self, version: str, sequence: int, **shop: Any) -> Path:
        return make_shop(self.agent.folder, version, sequence, hosts=("north", "south"), containers=APPS, **shop)

    def versions(self) -> dict[str, str]:
        """What each app was made from, by the file that its image holds."""
        return {host: engine.docker("exec", f"app-{host}", "cat", "/app/base") for host, engine in self.engines.items()}

    def wait_for_switch(self, host: str) -> None:
        """Until the app of a host is being switched."""
        while f"app-{host}.floto-old" not in self.engines[host].docker("ps", "--all", "--format", "{{.Names}}").split():
            time.sleep(0.02)

    def cut_amid(self, bundle: Path, host: str, cut: list[str]) -> str:
        """Apply and run `cut` once the app of a host is being switched; what the agent said."""
        process = self.agent.start("apply", bundle, "--yes")
        self.wait_for_switch(host)
        if cut:
            subprocess.run(cut, check=True)
        else:
            self.engines[host].kill()
        output, messages = process.communicate(timeout=500)
        assert process.returncode in (30, 31), output + messages
        return output + messages


@pytest.fixture
def hosts(engine: PrivateEngine, site: Agent, tmp_path: Path) -> Iterator[Hosts]:
    if why := ssh_missing():
        pytest.skip(why)
    authority = Authority(tmp_path / "tls")
    certificate, key = authority.issue("server", "10.214.1.2")
    tls = (f"--tlscacert={authority.ca}", f"--tlscert={certificate}", f"--tlskey={key}", "--tlsverify")
    with ExitStack() as opened:
        north = opened.enter_context(PrivateEngine("--host=tcp://0.0.0.0:2376", *tls))
        south = opened.enter_context(PrivateEngine())
        north.link("10.214.1.1/30", "10.214.1.2/30")
        south.link("10.214.2.1/30", "10.214.2.2/30")
        (tmp_path / "ssh").mkdir()
        login = opened.enter_context(SshServer(south, "10.214.2.2", tmp_path / "ssh"))
        mine, secret = authority.issue("client")
        over_tls = Access(
            engine="tcp://10.214.1.2:2376", tls_ca=str(authority.ca), tls_cert=str(mine), tls_key=str(secret)
        )
        write_site(tmp_path, engine.address, {"north": over_tls, "south": login.access})
        yield Hosts(site, {"north": north, "south": south})


@pytest.mark.timeout(900)
def test_a_host_whose_engine_dies_in_the_middle_of_an_update(hosts: Hosts) -> None:
    agent = hosts.agent
    agent.run("apply", hosts.bundle("2024.1", 1), "--yes")
    assert hosts.versions() == {"north": "2024.1", "south": "2024.1"}
    agent.run("apply", hosts.bundle("2024.2", 2), "--yes")
    assert hosts.versions() == {"north": "2024.2", "south": "2024.2"}

    hosts.cut_amid(hosts.bundle("2024.3", 3), "south", [])
    status = json.loads(agent.run("status", "--json", code=40))
    assert {host["name"]: host["reachable"] for host in status["hosts"]} == {
        "server": True, "north": True, "south": False,
    }  # fmt: skip
    assert "version 2024.2" in agent.page()
    assert "south" in agent.run("logs", "--tail", "1", code=21)
    assert "2024.2" in agent.run("history")

    hosts.engines["south"].start()
    agent.run("apply", hosts.bundle("2024.3", 3), "--yes")
    assert hosts.versions() == {"north": "2024.3", "south": "2024.3"}
    assert "version 2024.3" in agent.page()
    assert "nothing to do" in agent.run("apply", hosts.bundle("2024.3", 3))


@pytest.mark.timeout(900)
def test_a_lost_login_stops_no_change_and_ctrl_c_takes_it_back(hosts: Hosts) -> None:
    agent = hosts.agent
    agent.run("apply", hosts.bundle("2024.1", 1), "--yes")
    bundle = hosts.bundle("2024.2", 2)
    with agent.on_terminal("apply", bundle, "--yes") as terminal:
        hosts.wait_for_switch("south")
        terminal.press(CTRL_C)
        terminal.wait_for("taking back what was begun")
        terminal.press(CTRL_C)
        assert terminal.process.wait(300) == 30, terminal.shown.decode()
    assert hosts.versions() == {"north": "2024.1", "south": "2024.1"}
    assert "version 2024.1" in agent.page()

    with agent.on_terminal("apply", bundle, "--yes") as terminal:
        hosts.wait_for_switch("south")
        terminal.hang_up()
        status = agent.run("status", code=40)
        assert f"under way: apply in phase switch; process {terminal.process.pid} holds the site" in status
        assert "interrupted" not in status
        terminal.process.wait(300)
    assert hosts.versions() == {"north": "2024.2", "south": "2024.2"}
    assert "version 2024.2" in agent.page()
    agent.run("status")
    assert "nothing to do" in agent.run("apply", bundle)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_without_a_stick_with_a_broken_bundle_and_a_dead_host_a_site_is_still_looked_after(hosts: Hosts) -> None:
    agent = hosts.agent
    bundles = [hosts.bundle(f"2024.{number}", number, migration=None) for number in (1, 2)]
    for bundle in bundles:
        agent.run("apply", bundle, "--yes")
    bundles[0].unlink()
    bundles[1].write_bytes(b"broken")
    hosts.engines["south"].kill()

    assert "app-north" in agent.run("status", code=40)
    agent.run("logs", "front", "app-north", "--tail", "1")
    assert "2024.1" in agent.run("history")
    assert "leave south out by naming the others" in agent.run("rollback", "--yes", code=21)
    agent.run("rollback", "--yes", "--only", "server", "--only", "north")
    assert "version 2024.1" in agent.page()

    hosts.engines["south"].start()
    agent.run("rollback", "2024.1", "--yes")
    assert hosts.versions() == {"north": "2024.1", "south": "2024.1"}
    agent.run("status")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_host_that_is_cut_off_in_the_middle_of_an_update(hosts: Hosts) -> None:
    """The cable is pulled: the agent waits for as long as an engine may take to answer, then sets back the others."""
    agent = hosts.agent
    agent.run("apply", hosts.bundle("2024.1", 1), "--yes")
    near = f"f{hosts.engines['north'].pid}a"
    hosts.cut_amid(hosts.bundle("2024.2", 2), "north", ["ip", "link", "set", near, "down"])
    assert "version 2024.1" in agent.page()

    subprocess.run(["ip", "link", "set", near, "up"], check=True)
    process = agent.start("resume")
    output, messages = process.communicate(timeout=300)
    assert process.returncode in (0, 30), output + messages
    assert hosts.versions() == {"north": "2024.1", "south": "2024.1"}
    agent.run("apply", hosts.bundle("2024.2", 2), "--yes")
    assert hosts.versions() == {"north": "2024.2", "south": "2024.2"}
