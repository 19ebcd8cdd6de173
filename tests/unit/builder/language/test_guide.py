"""The guide: what it shows can be copied and works."""

import json
import re
from pathlib import Path

import pytest

from builder.language.limits import Limits
from builder.language.worker import outcome
from tests.definitions import write_project

GUIDE = Path(__file__).parents[4] / "docs" / "language" / "guide.md"


def definitions() -> list[dict[str, str]]:
    """Each definition of the guide with the files that follow it."""
    projects: list[dict[str, str]] = []
    for block in re.findall(r"```(?:python)?\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL):
        named = re.match(r"# (\S+)\n", block)
        path = named[1] if named else "site.star"
        if "project(" in block:
            projects.append({})
        elif not named:
            continue
        projects[-1][path] = block[named.end() :] if named else block
    return projects


@pytest.mark.parametrize("files", definitions(), ids=range(4))
def test_what_the_guide_shows_is_sound(files, tmp_path):
    kind, told = outcome(write_project(tmp_path, files), Limits())

    assert kind == "evaluation", json.loads(told).get("text", told)
