"""`floto-builder editor`: what editors need to complete and check definitions and the files of sites."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path

from builder.language.evaluate import evaluate
from builder.language.prelude.stub import STUB_NAME, builtins_stub, pyright_settings, vscode_settings
from builder.project import Project
from builder.rehearsal.draft import draft
from bundle_format.errors import ExitCode
from bundle_format.site.schema import REFERENCE, site_schema
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-builder editor           in the folder of the definition; again after floto or its parameters changed
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("project", type=Path, nargs="?", default=Path(), help="folder of the definition; default: here")


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    folder = Project(arguments.project).root
    # The words first: they help to mend a definition of which no schema can be made yet.
    for line in _write_words(folder):
        terminal.say(line)
    schema = site_schema(draft(evaluate(folder), Project(folder)).release)
    _write(folder / "site.schema.json", json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
    terminal.say(f"site.schema.json       what the files of sites may say; begin them with {REFERENCE}")
    return ExitCode.DONE


def _write_words(folder: Path) -> Iterator[str]:
    _write(folder / STUB_NAME, builtins_stub())
    yield f"{STUB_NAME:22} the words of definitions"
    for name, text in (("pyrightconfig.json", pyright_settings()), (".vscode/settings.json", vscode_settings())):
        place = folder / name
        if place.exists():
            yield f"{name:22} is yours and stays; for definitions it needs {json.dumps(json.loads(text))}"
        else:
            place.parent.mkdir(exist_ok=True)
            _write(place, text)
            yield f"{name:22} settings"


def _write(place: Path, text: str) -> None:
    place.write_text(text, encoding="utf-8", newline="\n")


VERB = Verb("editor", "Write what editors need to complete and check definitions.", _configure, _run, EXAMPLES)
