"""What the verbs start, stop and restart share: which containers, in which order, by whose leave."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping

from agent.applying.means import Means
from agent.care import in_order, needed, require_known, stands_still, wake
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


def act_on(arguments: Namespace, terminal: Terminal, act: Act, *, needs: bool = False) -> ExitCode:
    """Do `act` on the containers that the arguments name, while no other agent changes anything.

    `needs`: also on those that they need and that do not run; the machines of all of them get their power before.
    """
    with held(arguments, terminal, machines=needs) as site:
        undertaking = site.receipt.undertaking
        containers, tasks = undertaking.containers, undertaking.tasks
        require_known(arguments.unprotect, containers.keys(), "container")
        names = named = in_order(containers, arguments.names, tasks)
        if needs:
            wanted = needed(containers, named, tasks)
            hosts = {containers[name].host for name in wanted}
            wake(site.means, site.state, [undertaking.hosts[host] for host in sorted(hosts)])
            names = tuple(name for name in wanted if name in named or stands_still(site.means, name, containers[name]))
        act(site.means, containers, names)
    terminal.say(f"done: {', '.join(names)}")
    if more := [name for name in names if name not in named]:
        terminal.say(f"among them, because what was named needs it: {', '.join(more)}")
    return ExitCode.DONE
