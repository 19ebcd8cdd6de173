"""`floto-agent redeploy`: make containers, or all of a host, anew from the release that runs; needs no stick."""

from argparse import ArgumentParser, Namespace

from agent.cli.changes.carrying import add_change_options, carry_out, settle_before
from agent.cli.changes.outlook import outlook_of
from agent.cli.places import add_state_option
from agent.cli.site import add_wish_options, installed, site_of, wishes_of
from agent.intent import from_store
from bundle_format.errors import ExitCode, FlotoError
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent redeploy front
  floto-agent redeploy server --yes      (everything on that host; volumes keep their data)
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="NAME", help="a container, a service or a host")
    add_state_option(parser)
    add_wish_options(parser)
    add_change_options(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    site = site_of(arguments)
    with site.folder.held():
        settle_before(site, arguments, terminal)
        intent = from_store(installed(site).undertaking.source, site.store, site.keeper(terminal))
        if tasks := sorted(set(arguments.names) & intent.deployment.tasks.keys()):
            raise FlotoError(
                f"a task runs once for each version, and is not made anew: {', '.join(tasks)}; nothing was changed",
                "Name containers, services or hosts.",
            )
        wishes = wishes_of(arguments, anew=frozenset(arguments.names))
        with outlook_of(site, intent, wishes) as outlook:
            outlook.tell(terminal)
            return carry_out(site, outlook, arguments, terminal, "redeploy")


VERB = Verb("redeploy", "Make containers or all of a host anew from the release that runs.", _configure, _run, EXAMPLES)
