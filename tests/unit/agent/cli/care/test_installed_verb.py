"""`floto-agent verify --installed`: what it tells before it mends or gives up."""

import json

import pytest

from tests.unit.agent.cli.conftest import Agent


def test_what_is_in_the_way_is_told_before_it_ends_for_it(running: Agent) -> None:
    found = running.daemon.find("app")
    assert found
    del running.daemon.containers[found.id]
    running.daemon.add_foreign("app")

    for words in ((), ("--repair", "--yes")):
        said = running.run("verify", "--installed", *words, code=21)
        assert "error: server: the name app belongs to a container that is not ours" in said
        assert "1 obstacle in the way, told above" in said
        assert "everything is as it was signed" not in said
    obstacles = json.loads(running.run("verify", "--installed", "--json", code=21))["obstacles"]
    assert [one["message"] for one in obstacles] == ["server: the name app belongs to a container that is not ours"]


def test_a_plan_is_told_once_and_what_is_beside_it_is_no_fault(running: Agent) -> None:
    running.daemon.add_foreign("legacy")
    assert "everything is as it was signed" in running.run("verify", "--installed")

    found = running.daemon.find("app")
    assert found
    del running.daemon.containers[found.id]
    said = running.run("verify", "--installed", "--repair", "--yes")

    assert said.count("create app: missing") == 1
    assert running.daemon.find("app")


@pytest.mark.parametrize(
    "words",
    [
        ("shop.floto", "--installed"),
        ("--installed", "--report", "lost.json"),
        ("shop.floto", "--repair"),
        ("--repair",),
    ],
)
def test_nothing_that_is_named_is_passed_over_in_silence(running: Agent, words: tuple[str, ...]) -> None:
    assert "--installed" in running.run("verify", *words, code=2)
