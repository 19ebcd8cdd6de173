"""What the command lines must never offer: a way around verification (THREATS 4), or a secret among the words."""

import argparse
import re
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

import agent.cli.main
import builder.cli.main
from bundle_format.terminal import VerbTable

AROUND = re.compile(r"skip|insecure|unsafe|unsigned|unverified|no-?(check|verify|sign|trust)|ignore|force|bypass")
SECRET = re.compile(r"^--(pass(word|phrase)?|secret|token|pin)$")


def options(table: VerbTable) -> Iterator[str]:
    for name, module in table.modules.items():
        if find_spec(module):
            parser = argparse.ArgumentParser()
            table.load(name).configure(parser)
            yield from _of(parser)


def _of(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _of(inner)


@pytest.mark.parametrize("program", [agent.cli.main, builder.cli.main], ids=["agent", "builder"])
def test_threat_04_no_option_leads_around_verification(program: object) -> None:
    offered = set(options(program.VERBS))  # type: ignore[attr-defined]
    assert "--json" in offered
    assert [option for option in offered if AROUND.search(option)] == []


@pytest.mark.parametrize("program", [agent.cli.main, builder.cli.main], ids=["agent", "builder"])
def test_no_secret_is_taken_from_the_command_line(program: object) -> None:
    assert [option for option in options(program.VERBS) if SECRET.search(option)] == []  # type: ignore[attr-defined]
