"""`floto-agent receipt`: one thing that was done on this site, in full."""

from argparse import ArgumentParser, Namespace

from agent.cli.places import add_state_option
from agent.cli.site import history_of, site_of
from agent.report.history import receipt_lines
from bundle_format.errors import ExitCode, MissingError
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent receipt          (the last)
  floto-agent receipt 3 --json
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("number", nargs="?", type=int, help="as `floto-agent history` tells it; the last if none")
    parser.add_argument("--json", action="store_true", help="say it for a script")
    add_state_option(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    receipts = history_of(site_of(arguments), terminal).receipts
    found = [one for one in receipts if arguments.number in (None, one.undertaking.number)]
    if not found:
        raise MissingError("there is no such receipt", "See: floto-agent history")
    if arguments.json:
        terminal.json(found[-1].model_dump(mode="json"))
    else:
        terminal.say("\n".join(receipt_lines(found[-1])))
    return ExitCode.DONE


VERB = Verb("receipt", "Show one thing that was done on this site, in full.", _configure, _run, EXAMPLES)
