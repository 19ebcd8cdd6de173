"""`floto-agent verify`: read every byte of a bundle, and judge it by what this site believes."""

from argparse import ArgumentParser, Namespace

from agent.cli.bundles.opening import add_bundle_options, opened
from bundle_format.errors import ExitCode
from bundle_format.shown.bundles import verdict_json, verdict_lines
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent verify /media/stick/shop-2024.1.floto
  floto-agent verify /media/one/shop.floto.001 /media/two/shop.floto.002
  floto-agent verify shop.floto --also /media/second/shop.floto    (heal one copy from the other)
"""


def _configure(parser: ArgumentParser) -> None:
    add_bundle_options(parser)
    parser.add_argument("--json", action="store_true", help="say it for a script")


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    with opened(arguments, terminal, salvage=True) as bundle:
        damages = bundle.verify(terminal.progress())
        if arguments.json:
            terminal.json(verdict_json(bundle, damages))
        else:
            terminal.say("\n".join(verdict_lines(arguments.bundle[0], bundle, damages)))
    return ExitCode.DAMAGED if damages else ExitCode.DONE


VERB = Verb("verify", "Read every byte of a bundle and judge it as this site does.", _configure, _run, EXAMPLES)
