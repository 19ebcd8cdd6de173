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
        (
            (
                "logs",
                "--since=-2h",
            ),
            "a time such as",
        ),
    ],
)
def test_numbers_that_mean_nothing_are_wrong_usage(running: Agent, words: tuple[str, ...], wanted: str) -> None:
    with pytest.raises(SystemExit) as ended:
        running.run(*words)
    assert ended.value.code == 2
    assert wanted in running.capsys.readouterr().err
