"""docs/threats.md and the tests that it speaks of: each row has one, or says that it is to come."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_ROW = re.compile(r"^\| (\d+) \| (.+) \| (.+) \| (tested|to come) \|$", re.MULTILINE)
_TEST = re.compile(r"^ *(?:async )?def test_threat_(\d\d)_\w+\(", re.MULTILINE)


def test_every_row_has_the_state_that_its_tests_give_it() -> None:
    rows = {int(number): state for number, _, _, state in _ROW.findall((ROOT / "docs/threats.md").read_text("utf-8"))}
    tested = {
        int(number) for path in (ROOT / "tests").rglob("test_*.py") for number in _TEST.findall(path.read_text("utf-8"))
    }
    assert sorted(rows) == list(range(1, 41))
    untested = {number for number, state in rows.items() if state == "tested"} - tested
    assert not untested, f"docs/threats.md says that these rows are tested, and they are not: {sorted(untested)}"
    done = {number for number, state in rows.items() if state == "to come"} & tested
    assert not done, f"docs/threats.md says that these rows are to come, and they are tested: {sorted(done)}"
    assert tested <= set(rows), f"docs/threats.md has no rows {sorted(tested - set(rows))}"
