"""`floto-builder inspect`: what is in a finished bundle; reads its first pages alone."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from builder.cli.clock import now
from builder.cli.root_file import add_root_option, trust_of
from bundle_format.errors import ExitCode, MissingError
from bundle_format.reader import Bundle, open_bundle
from bundle_format.shown.bundles import bundle_json, bundle_lines
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-builder inspect shop-2024.1.floto
  floto-builder inspect shop-2024.1.floto --json
  floto-builder inspect shop-2024.1.floto --sbom > shop.cdx.json
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", nargs="+", type=Path, help="the bundle, its parts, or folders that hold them")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="say it for a script")
    how.add_argument("--sbom", action="store_true", help="the bill of materials, as CycloneDX")
    how.add_argument("--provenance", action="store_true", help="from what and by what it was made, as in-toto")
    add_root_option(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    with open_bundle(arguments.bundle, trust_of(arguments)) as bundle:
        if arguments.sbom or arguments.provenance:
            terminal.say(_attestation(bundle, "sbom" if arguments.sbom else "provenance"))
        elif arguments.json:
            terminal.json(bundle_json(bundle))
        else:
            terminal.say("\n".join(bundle_lines(", ".join(map(str, arguments.bundle)), bundle, now())))
    return ExitCode.DONE


def _attestation(bundle: Bundle, what: str) -> str:
    digest = bundle.index.attestations.get(what)
    if digest is None:
        raise MissingError(f"the bundle has no {what}", "It was built by an older floto-builder.")
    return bundle.read_bytes(digest).decode()


VERB = Verb("inspect", "Show what is in a bundle and who signed it.", _configure, _run, EXAMPLES)
