"""`floto-agent history`: what was done on this site, one line each."""

from argparse import ArgumentParser, Namespace

from agent.cli.places import add_state_option
from agent.cli.site import history_of, site_of, unfinished
from agent.report.history import history_lines
from bundle_format.errors import ExitCode
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent history
  floto-agent history --json
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="say it for a script")
    add_state_option(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    site = site_of(arguments)
    history = history_of(site, terminal)
    if change := unfinished(site):
        terminal.warn(f"note: {change}")
    if arguments.json:
        terminal.json(history.model_dump(mode="json")["receipts"])
    else:
        terminal.say("\n".join(history_lines(history)) or "nothing was applied here yet")
    return ExitCode.DONE


VERB = Verb("history", "Tell what was done on this site.", _configure, _run, EXAMPLES)
