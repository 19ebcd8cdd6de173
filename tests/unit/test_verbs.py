"""Both programs' tables name verbs that exist, and every verb's help shows how it is used."""

import pytest

from agent.cli.main import VERBS as AGENT
from builder.cli.main import VERBS as BUILDER
from bundle_format.terminal import VerbTable, run_program

ALL = [
    pytest.param(program, table, name, id=f"{program} {name}")
    for program, table in (("floto-agent", AGENT), ("floto-builder", BUILDER))
    for name in table.modules
]


@pytest.mark.parametrize(("program", "table", "name"), ALL)
def test_help_ends_with_examples_of_this_very_verb(
    program: str, table: VerbTable, name: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        run_program(program, "1", "", table, [name, "--help"])
    assert ended.value.code == 0
    _, _, examples = capsys.readouterr().out.partition("examples:\n")
    assert f"{program} {name}" in examples
