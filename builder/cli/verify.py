"""`floto-builder verify`: read every byte of a finished bundle and judge it as a site would."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from builder.cli.root_file import add_root_option, trust_of
from bundle_format.damage import report_of
from bundle_format.errors import ExitCode
from bundle_format.reader import open_bundle
from bundle_format.shown.damage import report_lines
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-builder verify shop-2024.1.floto
  floto-builder verify shop-2024.1.floto --root keys/root-1.floto-root --json
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", nargs="+", type=Path, help="the bundle, its parts, or folders that hold them")
    parser.add_argument("--also", action="append", default=[], type=Path, metavar="COPY", help="another copy of it")
    parser.add_argument("--json", action="store_true", help="say it for a script")
    add_root_option(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    with open_bundle(arguments.bundle, trust_of(arguments), also=arguments.also, salvage=True) as bundle:
        report = report_of(bundle, bundle.verify(terminal.progress()))
    if arguments.json:
        terminal.json(report.model_dump(mode="json"))
    else:
        terminal.say("\n".join(report_lines(", ".join(map(str, arguments.bundle)), report)))
    return report.verdict


VERB = Verb("verify", "Read every byte of a bundle and judge it as a site would.", _configure, _run, EXAMPLES)
