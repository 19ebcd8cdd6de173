"""`floto-builder join`: one whole bundle out of its parts, also out of damaged copies."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from builder.cli.root_file import add_root_option, trust_of
from bundle_format.errors import ExitCode
from bundle_format.reader import open_bundle
from bundle_format.shown.sizes import size_text
from bundle_format.split import join
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-builder join /media/one /media/two --output shop-2024.1.floto
  floto-builder join old.floto --also other.floto --output shop-2024.1.floto   (whole, if no frame is lost in both)
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", nargs="+", type=Path, help="the parts in any order, or folders that hold them")
    parser.add_argument("--also", action="append", default=[], type=Path, metavar="COPY", help="another copy")
    parser.add_argument("--output", metavar="FILE", type=Path, required=True)
    add_root_option(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    trust = trust_of(arguments)
    with open_bundle(arguments.bundle, trust, also=arguments.also, salvage=bool(arguments.also)) as bundle:
        join(bundle, arguments.output, terminal.progress())
        terminal.say(f"{arguments.output}: whole, {size_text(bundle.page.total)}\n  {bundle.page.index_digest}")
    return ExitCode.DONE


VERB = Verb("join", "Join the parts of a bundle.", _configure, _run, EXAMPLES)
