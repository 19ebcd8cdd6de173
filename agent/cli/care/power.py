"""What the verbs start, stop and restart share: which containers, in which order, by whose leave."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping

from agent.applying.means import Means
from agent.care import in_order, wake
from agent.cli.care.volume import held
from agent.cli.places import add_state_option
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


def act_on(arguments: Namespace, terminal: Terminal, act: Act, *, machines: bool = False) -> ExitCode:
    """Do `act` on the containers that the arguments name, while no other agent changes anything.

    `machines`: those that they are on are started before, if they have no power.
    """
    with held(arguments, terminal, machines=machines) as site:
        containers = site.receipt.undertaking.containers
        names = in_order(containers, arguments.names)
        if machines:
            hosts = {containers[name].host for name in names}
            wake(site.means, site.state, [site.receipt.undertaking.hosts[host] for host in sorted(hosts)])
        act(site.means, containers, names)
    terminal.say(f"done: {', '.join(names)}")
    return ExitCode.DONE
