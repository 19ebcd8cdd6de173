"""Definitions for tests, each project written as one text: `-- path --` begins a file of it."""

import re
from pathlib import Path

from builder.language.evaluation import Evaluation
from builder.language.limits import Limits
from builder.language.worker import outcome

_FILE = re.compile(r"(?m)^-- (\S+) --\n")


def sections(text: str) -> dict[str, str]:
    """The files that a text holds, by path; what stands before the first is a comment."""
    _, *pieces = _FILE.split(text)
    return dict(zip(pieces[::2], pieces[1::2], strict=True))


def write_project(folder: Path, files: dict[str, str]) -> Path:
    """Lay the files out below `folder`."""
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, encoding="utf-8", newline="\n")
    return folder


def evaluated(folder: Path, definition: str) -> Evaluation:
    """The Evaluation of a definition of one file, in this very process."""
    kind, told = outcome(write_project(folder, {"site.star": definition}), Limits())
    assert kind == "evaluation", told
    return Evaluation.model_validate_json(told)
