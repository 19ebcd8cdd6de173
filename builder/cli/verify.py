"""`floto-builder verify`: read every byte of a finished bundle and judge it as a site would."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from builder.cli.root_file import add_root_option, trust_of
from bundle_format.errors import ExitCode
from bundle_format.reader import open_bundle
from bundle_format.shown.sizes import size_text
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
            terminal.json(
                {
                    "product": bundle.index.product,
                    "release": bundle.index.release,
                    "index": bundle.page.index_digest,
                    "signers": list(bundle.signers.names),
                    "damage": [str(damage) for damage in damages],
                }
            )
        elif damages:
            terminal.say("\n".join(f"damaged: {damage}" for damage in damages))
        else:
            size, signers = size_text(bundle.page.total), ", ".join(bundle.signers.names)
            terminal.say(f"{arguments.bundle[0]}: whole, {size}, signed by {signers}\n  {bundle.page.index_digest}")
    return ExitCode.DAMAGED if damages else ExitCode.DONE


VERB = Verb("verify", "Read every byte of a bundle and judge it as a site would.", _configure, _run, EXAMPLES)
