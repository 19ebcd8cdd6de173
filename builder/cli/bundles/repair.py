"""`floto-builder repair`: a small file of just those frames of a bundle that a site has lost."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from builder.cli.root_file import add_root_option, trust_of
from bundle_format.damage import DamageReport, frames_to_bring, read_report
from bundle_format.durable import check_place, whole_file
from bundle_format.errors import ExitCode, FlotoError
from bundle_format.layout.parts import find
from bundle_format.layout.repair import SUFFIX
from bundle_format.reader import open_bundle
from bundle_format.shown.sizes import size_text
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
on site, where the stick is damaged:
  floto-agent verify /media/stick/shop-2024.1.floto --report lost.json
at home, where the bundle is whole; lost.json can be sent by mail:
  floto-builder repair shop-2024.1.floto --report lost.json
on site again:
  floto-agent apply /media/stick/shop-2024.1.floto --also shop-2024.1.floto-repair
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", nargs="+", type=Path, help="a good copy, or all its parts")
    parser.add_argument(
        "--report",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="what a site has lost; may be repeated. Without it: for a copy that cannot even be opened there",
    )
    parser.add_argument("--output", metavar="FILE", type=Path, help="default: PRODUCT-VERSION.floto-repair")
    parser.add_argument("--json", action="store_true", help="say it for a script")
    add_root_option(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    with open_bundle(arguments.bundle, trust_of(arguments)) as bundle:
        # The first frame is the release: with it, a site can tell what else it lacks by name.
        numbers = frames_to_bring(map(_report, arguments.report), bundle) or [0]
        path: Path = arguments.output or Path(f"{bundle.index.product}-{bundle.index.release}{SUFFIX}")
        check_place(path, [*find(arguments.bundle).files, *arguments.report])
        with whole_file(path) as stream:
            bundle.write_repair(numbers, stream)
        size, count = path.stat().st_size, len(bundle.table)
    if arguments.json:
        terminal.json({"repair": str(path), "size": size, "frames": numbers})
    else:
        terminal.say(f"{path}: {size_text(size)}, {len(numbers)} of {count} frames")
    return ExitCode.DONE


def _report(path: Path) -> DamageReport:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FlotoError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return read_report(content)
    except FlotoError as error:
        raise FlotoError(f"{path}: {error.message}", error.hint) from error


VERB = Verb("repair", "Make a small file that mends a damaged copy on site.", _configure, _run, EXAMPLES)
