"""The guide: what it shows can be copied and works."""

import json
import re
from pathlib import Path

import pytest

from builder.language.limits import Limits
from builder.language.worker import outcome
from tests.definitions import write_project

DOCS = Path(__file__).parents[4] / "docs"


def definitions(page: str) -> list[dict[str, str]]:
    """Each definition of a page with the files that follow it."""
    projects: list[dict[str, str]] = []
    for block in re.findall(r"```(?:python)?\n(.*?)```", DOCS.joinpath(page).read_text(encoding="utf-8"), re.DOTALL):
        named = re.match(r"# (\S+)\n", block)
        path = named[1] if named else "site.star"
        if "project(" in block:
            projects.append({})
        elif not named:
            continue
        projects[-1][path] = block[named.end() :] if named else block
    return projects


@pytest.mark.parametrize("files", definitions("language/guide.md"), ids=range(4))
def test_what_the_guide_shows_is_sound(files, tmp_path):
    kind, told = outcome(write_project(tmp_path, files), Limits())

    assert kind == "evaluation", json.loads(told).get("text", told)


def test_what_the_page_about_swarms_shows_is_sound(tmp_path):
    [files] = definitions("swarm.md")
    kind, told = outcome(write_project(tmp_path, {**files, "site.conf.j2": "{{ key }}"}), Limits())

    assert kind == "evaluation", json.loads(told).get("text", told)
