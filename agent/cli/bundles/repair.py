"""`floto-agent repair`: one whole copy of a bundle out of parts, damaged copies and what was sent to mend them."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from agent.cli.bundles.opening import add_bundle_options, opened
from bundle_format.errors import ExitCode
from bundle_format.shown.sizes import size_text
from bundle_format.split import join
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent repair /media/stick/shop.floto --also shop.floto-repair --output /var/tmp/shop.floto
  floto-agent repair /media/one /media/two --also /media/three --output /var/tmp/shop.floto
  floto-agent apply /media/stick/shop.floto --also shop.floto-repair      (does as well, and writes no copy)
"""


def _configure(parser: ArgumentParser) -> None:
    add_bundle_options(parser)
    parser.add_argument("--output", metavar="FILE", type=Path, required=True, help="the whole copy")


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    with opened(arguments, terminal, salvage=True) as bundle:
        join(bundle, arguments.output, terminal.progress())
        terminal.say(f"{arguments.output}: whole, {size_text(bundle.page.total)}\n  {bundle.page.index_digest}")
    return ExitCode.DONE


VERB = Verb("repair", "Write one whole copy out of parts, damaged copies and repairs.", _configure, _run, EXAMPLES)
