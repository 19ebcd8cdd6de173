"""`floto-agent resume`: end what was interrupted, forward or back, as its journal demands."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from agent.cli.changes.carrying import require_not_left, settle_interlude, settle_now
from agent.cli.changes.stopping import stoppable
from agent.cli.places import add_state_option
from agent.cli.site import site_of
from agent.history import Outcome
from bundle_format.errors import ExitCode
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent resume
  floto-agent unit > /etc/systemd/system/floto-resume.service    (does it at every boot)
"""

CODES: Mapping[Outcome, ExitCode] = {
    "done": ExitCode.DONE,
    "taken back": ExitCode.ROLLED_BACK,
    "partly done": ExitCode.NEEDS_PERSON,
}


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    site = site_of(arguments)
    with site.folder.held(), stoppable() as stop:
        if arguments.unattended:
            require_not_left(site)
        ended = settle_interlude(site, terminal, stop)
        receipt = settle_now(site, arguments, terminal, stop, telling="ending it")
    if receipt is None:
        if not ended:
            terminal.say("nothing was interrupted")
        return ExitCode.DONE
    return CODES[receipt.outcome]


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--unattended", action="store_true", help="do not go on with what was left for a person")
    add_state_option(parser)


VERB = Verb("resume", "End what was interrupted, forward or back as its journal demands.", _configure, _run, EXAMPLES)
