"""`floto-builder init`: a small working project to begin with."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from builder.starter import write_starter
from bundle_format.errors import ExitCode
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-builder init hello
  cd hello && floto-builder check
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="where; default: this folder")
    parser.add_argument("--name", help="the product's name; default: the folder's")


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    folder: Path = arguments.folder
    files = write_starter(folder, arguments.name or folder.resolve().name.lower())
    terminal.say("\n".join(str(file) for file in files))
    terminal.say(f"\nRead {files[0]}: its comments say what to do next.")
    return ExitCode.DONE


VERB = Verb("init", "Write a small working project to begin with.", _configure, _run, EXAMPLES)
