"""Definitions for tests, each project written as one text: `-- path --` begins a file of it."""

import re
from pathlib import Path

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
