"""`floto-agent status` and `logs` as a person types them."""

import pytest

from tests.unit.agent.cli.conftest import Agent


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("status", "--watch", "-1"), "a number from 1 on"),
        (("status", "--watch", "0"), "a number from 1 on"),
        (("logs", "--tail", "-1"), "a number from 0 on"),
        (("logs", "--tail", "all"), "a number from 0 on"),
        (("logs", "--since=-2h"), "a time such as"),
    ],
)
def test_numbers_that_mean_nothing_are_wrong_usage(running: Agent, words: tuple[str, ...], wanted: str) -> None:
    with pytest.raises(SystemExit) as ended:
        running.run(*words)
    assert ended.value.code == 2
    assert wanted in running.capsys.readouterr().err


def test_the_lines_of_what_is_not_there_are_an_error_once_those_of_the_others_are_told(running: Agent) -> None:
    for name in ("app", "mig"):
        found = running.daemon.find(name)
        assert found
        del running.daemon.containers[found.id]
    db = running.daemon.find("db")
    assert db
    running.daemon.write(db, "stdout", "ready")

    said = running.run("logs", code=21)
    assert "db    | ready" in said and "error: server: there is no container app" in said
    assert "ready" in running.run("logs", "db")
    assert "error: server: there is no container mig" in running.run("logs", "mig", code=21)


def test_the_lines_of_a_task_whose_container_has_gone_are_missed_by_nobody_who_did_not_name_it(running: Agent) -> None:
    found = running.daemon.find("mig")
    assert found
    del running.daemon.containers[found.id]

    assert "no container mig" in running.run("logs")
