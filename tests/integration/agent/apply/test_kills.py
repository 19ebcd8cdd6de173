"""The agent and the daemon killed at random moments of updates of a real engine: the site ends right every time."""

import random
import time

import pytest

from tests.corner_shop import make_shop
from tests.integration.agent.apply.conftest import Agent

pytestmark = pytest.mark.engine

ROUNDS = 8
LONGEST = 9.0
"""Seconds after its start until which an agent is killed: an undisturbed update takes about as long."""


@pytest.mark.timeout(900)
def test_threat_24_random_kills_of_agent_and_daemon(site: Agent, capsys: pytest.CaptureFixture[str]) -> None:
    kill_and_check(site, ROUNDS, 1, capsys)


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_threat_24_many_random_kills_of_agent_and_daemon(site: Agent, capsys: pytest.CaptureFixture[str]) -> None:
    kill_and_check(site, 50, 2, capsys)


def kill_and_check(site: Agent, rounds: int, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(seed)
    versions = ["2024.0"]
    site.run("apply", make_shop(site.folder, versions[0]), "--yes")
    killed = {"agent": 0, "daemon": 0}
    for number in range(1, rounds + 1):
        healthy = number % 4 != 0
        bundle = make_shop(site.folder, f"2024.{number}", number + 1, healthy=healthy, web={"health_deadline": 8})
        victim = chance.choice(sorted(killed))
        process = site.start("apply", bundle, "--yes")
        time.sleep(chance.uniform(0, LONGEST))
        if victim == "agent":
            process.kill()
        else:
            site.engine.kill()
            process.communicate(timeout=120)
            site.engine.start()
            wait_until_quiet(site)
            if not healthy:
                # Docker 20.10 may leave down what ran, and what does not run before a change does not run after it was
                # taken back: who looks after the site starts it first.
                mended(site, "resume")
                site.run("start")
        process.communicate()
        killed[victim] += 1

        code, said = mended(site, "apply", bundle, "--yes")
        assert code == (0 if healthy else 30), said
        if healthy:
            versions.append(f"2024.{number}")
        check(site, versions, said)
        if healthy:
            before = site.ids()
            assert "nothing to do" in site.run("apply", bundle)
            assert site.ids() == before
    with capsys.disabled():
        print(f"\n{rounds} rounds, killed: {killed}")  # noqa: T201


def mended(site: Agent, verb: str, *arguments: object) -> tuple[int, str]:
    """How a verb ends and what it says; where an engine keeps a port for nobody, after what the agent tells to do."""
    for _ in range(2):
        process = site.start(verb, *arguments)
        said = "".join(process.communicate(timeout=300))
        published = site.engine.docker("ps", "--format", "{{.Ports}}")
        if "systemctl restart docker" not in said or ":8080->" in published:
            break
        site.engine.kill()
        site.engine.start()
        wait_until_quiet(site)
    return process.returncode, said


def wait_until_quiet(site: Agent) -> None:
    """An engine that comes up kills what ran on, and calls it running until it has heard of its end."""
    before, now = "", site.engine.docker("ps", "--all", "--format", "{{.Names}} {{.State}}")
    while before != now:
        time.sleep(2)
        before, now = now, site.engine.docker("ps", "--all", "--format", "{{.Names}} {{.State}}")


def check(site: Agent, versions: list[str], said: str) -> None:
    """Exactly the last release runs, alone, and each migration ran exactly once on the data that is there."""
    for _ in range(40):
        if f"version {versions[-1]}" in site.page():
            break
        time.sleep(0.25)
    else:
        raise AssertionError(f"{versions[-1]} does not answer: {site.engine.docker('ps', '--all')}\n{said}")
    assert site.engine.docker("exec", "base", "cat", "/data/log").split() == versions
    assert sorted(site.ids()) == ["base", "front", "migrate"]
    images = site.engine.docker("ps", "--format", "{{.Image}}").split()
    assert all(image.endswith(f":{versions[-1]}") or ":" not in image for image in images), images
