"""`floto-agent start`, `stop` and `restart` as a person types them."""

import pytest

from tests.unit.agent.cli.conftest import Agent


@pytest.mark.parametrize(
    ("stopped", "started"),
    [
        (["front"], "done: front\n"),
        (["db", "front"], "done: db, front\namong them, because what was named needs it: db\n"),
        (["db", "app", "front"], "done: db, app, front\namong them, because what was named needs it: db, app\n"),
    ],
)
def test_a_start_starts_what_is_needed_and_does_not_run(running: Agent, stopped: list[str], started: str) -> None:
    running.run("stop", *stopped)

    assert running.run("start", "front").startswith(started)
    assert {one.name for one in running.daemon.containers.values() if one.stopped} == set()


def test_a_stop_and_a_restart_stay_with_what_is_named(running: Agent) -> None:
    assert running.run("stop", "db").startswith("done: db\n")
    assert running.run("restart", "front").startswith("done: front\n")
    assert [one.name for one in running.daemon.containers.values() if one.stopped] == ["db"]


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_leave_for_what_nobody_has_is_an_error(running: Agent, verb: str) -> None:
    said = running.run(verb, "front", "--unprotect", "nix", code=2)

    assert "the release has no container called nix; nothing was changed" in said
    assert [one.name for one in running.daemon.containers.values() if one.stopped] == []
