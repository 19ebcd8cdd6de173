"""What the verbs start, stop and restart share: which containers, in which order, by whose leave."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping

from agent.applying.means import Means, Redactor
from agent.care import in_order
from agent.cli.changes.carrying import settle_before
from agent.cli.changes.stopping import WallClock, stoppable
from agent.cli.places import add_state_option
from agent.cli.site import engines_of, installed, owner_of, secrets_of, site_of
from agent.history import Placed
from bundle_format.errors import ExitCode
from bundle_format.terminal import Terminal

Act = Callable[[Means, Mapping[str, Placed], tuple[str, ...]], None]


def configure(parser: ArgumentParser) -> None:
    """Let a person name containers and hosts."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="containers or hosts; everything if none is named")
    parser.add_argument(
        "--unprotect", action="append", default=[], metavar="NAME", help="in spite of the container's protection"
    )
    add_state_option(parser)


def act_on(arguments: Namespace, terminal: Terminal, act: Act) -> ExitCode:
    """Do `act` on the containers that the arguments name, while no other agent changes anything."""
    site = site_of(arguments)
    with site.folder.held(), stoppable() as stop:
        settle_before(site, arguments, terminal)
        undertaking = installed(site).undertaking
        names = in_order(undertaking.containers, arguments.names)
        hosts = {undertaking.containers[name].host for name in names}
        wanted = {name: host for name, host in undertaking.hosts.items() if name in hosts}
        with engines_of(wanted, owner_of(undertaking.source)) as (engines, _):
            means = Means(
                transaction=undertaking.transaction,
                engines=engines,
                store=site.store,
                clock=WallClock(stop),
                progress=terminal.progress(),
                redact=Redactor(secrets_of(site, undertaking.source)),
                outputs=site.folder.tasks,
                stop=stop,
            )
            act(means, undertaking.containers, names)
    terminal.say(f"done: {', '.join(names)}")
    return ExitCode.DONE
