"""`floto-builder verify`: read every byte of a finished bundle and judge it as a site would."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from builder.cli.root_file import add_root_option, trust_of
from bundle_format.errors import ExitCode
from bundle_format.reader import open_bundle
from bundle_format.shown.bundles import verdict_json, verdict_lines
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-builder verify shop-2024.1.floto
  floto-builder verify shop-2024.1.floto --root keys/root-1.floto-root --json
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", nargs="+", type=Path, help="the bundle, or all its parts")
    parser.add_argument("--json", action="store_true", help="say it for a script")
    add_root_option(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    with open_bundle(arguments.bundle, trust_of(arguments), salvage=True) as bundle:
        damages = bundle.verify(terminal.progress())
        if arguments.json:
            terminal.json(verdict_json(bundle, damages))
        else:
            terminal.say("\n".join(verdict_lines(arguments.bundle[0], bundle, damages)))
    return ExitCode.DAMAGED if damages else ExitCode.DONE


VERB = Verb("verify", "Read every byte of a bundle and judge it as a site would.", _configure, _run, EXAMPLES)
