"""`floto-agent verify`: read every byte of a bundle, and judge it by what this site believes."""

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from agent.cli.bundles.opening import add_bundle_options, files_of, opened, place_of
from bundle_format.canonical import canonical
from bundle_format.damage import report_of
from bundle_format.durable import check_place, whole_file
from bundle_format.errors import ExitCode, FlotoError
from bundle_format.shown.bundles import age_text
from bundle_format.shown.damage import report_lines
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent verify /media/stick/shop-2024.1.floto
  floto-agent verify /media/one /media/two                        (its parts, wherever they are)
  floto-agent verify shop.floto --also /media/second/shop.floto   (are two damaged copies whole together?)
  floto-agent verify shop.floto --report lost.json                (to be carried home: floto-builder repair)
  floto-agent verify --installed                                  (images, files and options on the hosts)
  floto-agent verify --installed --repair
"""

HELP = """\
hint: name another copy with --also, if there is one; apply takes it too. If there is none, write down what is lost
with --report FILE and carry that home: floto-builder repair makes a small file of just that, for --also here"""


def _configure(parser: ArgumentParser) -> None:
    add_bundle_options(parser, needed=False)
    parser.add_argument("--installed", action="store_true", help="what the release has put on the hosts, not a bundle")
    parser.add_argument(
        "--repair", action="store_true", help="with --installed: make anew what is not as it was signed"
    )
    parser.add_argument("--yes", action="store_true", help="with --repair: agree beforehand")
    parser.add_argument("--report", metavar="FILE", type=Path, help="write down what is lost, for a repair from home")
    parser.add_argument("--json", action="store_true", help="say it for a script")


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    if arguments.installed:
        if arguments.bundle or arguments.also or arguments.report:
            raise FlotoError(
                "--installed looks at what is on the hosts, not at a bundle", "Verify the bundle without --installed."
            )
        from agent.cli.care.installed import verify_installed

        return verify_installed(arguments, terminal)
    if arguments.repair:
        raise FlotoError(
            "--repair goes with --installed: it mends what is on the hosts",
            "A bundle is mended by: floto-agent repair BUNDLE --also COPY --output FILE",
        )
    if not arguments.bundle:
        raise FlotoError("no bundle was named", "Name one, or look at the hosts: floto-agent verify --installed")
    if arguments.report:
        check_place(arguments.report, files_of(arguments))
    with opened(arguments, terminal, salvage=True) as bundle:
        report = report_of(bundle, bundle.verify(terminal.progress()))
        index = bundle.index
    content = report.model_dump(mode="json")
    if arguments.report:
        with whole_file(arguments.report) as stream:
            stream.write(canonical(content))
    if arguments.json:
        terminal.json(content)
    else:
        terminal.say("\n".join(report_lines(place_of(arguments), report)))
        terminal.say(f"  issued {age_text(index, int(time.time()))}")
    if report.verdict is not ExitCode.DONE:
        terminal.warn(HELP)
    return report.verdict


VERB = Verb("verify", "Read every byte of a bundle and judge it as this site does.", _configure, _run, EXAMPLES)
