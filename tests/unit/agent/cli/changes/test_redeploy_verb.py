"""`floto-agent redeploy`, as far as no real engine is needed."""

from tests.unit.agent.cli.conftest import Agent


def test_a_task_is_not_made_anew(running: Agent) -> None:
    said = running.run("redeploy", "app", "mig", "--yes", code=2)

    assert "a task runs once for each version, and is not made anew: mig; nothing was changed" in said
    assert "redeploy" not in running.run("history")
