"""`floto-builder fmt`: definitions in one layout, which is Python's."""

import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from bundle_format.errors import DefinitionError, ExitCode
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-builder fmt                  all .star files below this folder
  floto-builder fmt lib/java.star
  floto-builder fmt --check          for continuous integration: nothing is written
"""

_RUFF = ("format", "--isolated", "--no-cache", "--line-length", "120", "--extension", "star:python")


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("paths", metavar="PATH", type=Path, nargs="*", default=[Path()], help="files and folders")
    parser.add_argument("--check", action="store_true", help="only say which files are not in this layout")


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    files = [file for path in arguments.paths for file in _definitions(path)]
    formatted = {file: _formatted(file) for file in files}
    changed = {file: text for file, text in formatted.items() if text != file.read_bytes()}
    if arguments.check and changed:
        raise DefinitionError("\n".join(f"{file}: not formatted" for file in changed), "Run floto-builder fmt.")
    for file, text in changed.items():
        beside = file.with_name(f".{file.name}.new")
        beside.write_bytes(text)
        beside.replace(file)
        terminal.say(f"{file}: formatted")
    return ExitCode.DONE


def _definitions(path: Path) -> list[Path]:
    if not path.is_dir():
        if not path.is_file():
            raise DefinitionError(f"{path}: no such file or folder")
        return [path]
    found = (file for file in path.rglob("*.star") if not any(part.startswith(".") for part in file.parts))
    return sorted(found)


def _formatted(file: Path) -> bytes:
    command = [sys.executable, "-m", "ruff", *_RUFF, "--stdin-filename", str(file), "-"]
    ended = subprocess.run(command, input=file.read_bytes(), capture_output=True, check=False)
    if ended.returncode:
        said = ended.stderr.decode("utf-8", "replace").strip().removeprefix("error: ")
        raise DefinitionError(f"{file} cannot be formatted: {said}", "floto-builder check tells what is wrong with it.")
    return ended.stdout


VERB = Verb("fmt", "Bring definitions into one layout.", _configure, _run, EXAMPLES)
