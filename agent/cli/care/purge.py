"""`floto-agent purge`: remove for good what nothing else removes; every word of it has to be typed."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator

from agent.cli.care.volume import held
from agent.cli.places import add_state_option
from agent.purge import Doomed, doomed_by, purge, require_leave
from bundle_format.errors import ExitCode, FlotoError
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent purge volume products       (tells what would go, and what to type for it)
  floto-agent purge network shop
  floto-agent purge site
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("kind", choices=("volume", "network", "site"))
    parser.add_argument("name", nargs="?", default="", help="of the volume or network")
    parser.add_argument("--host", metavar="NAME", help="on this host alone")
    parser.add_argument("--confirm", metavar="WORDS", help="what goes, in full, as this verb tells it")
    add_state_option(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    if (arguments.kind == "site") == bool(arguments.name):
        raise FlotoError("a volume or network has a name, a site has none", "See: floto-agent purge --help")
    with held(arguments, terminal) as site:
        doomed = doomed_by(site.state, site.owner, arguments.kind, arguments.name, arguments.host)
        require_leave(doomed, site.receipt)
        for line in _told(doomed):
            terminal.warn(line)
        words = " ".join(filter(None, (arguments.kind, arguments.name, "of", site.owner.product, site.owner.site)))
        if arguments.confirm != words:
            raise FlotoError("nothing was removed", f'If all of that shall go for good: --confirm "{words}"')
        for one in doomed:
            purge(one, site.means.engine(one.host))
    terminal.say("removed")
    return ExitCode.DONE


def _told(doomed: Iterable[Doomed]) -> Iterator[str]:
    for one in doomed:
        yield from (f"{one.host}: volume {name} with ALL ITS DATA" for name in one.volumes)
        yield from (f"{one.host}: container {container.name}" for container in one.containers)
        yield from (f"{one.host}: network {name}" for name in one.networks)


VERB = Verb("purge", "Remove volumes, networks or all of a product for good.", _configure, _run, EXAMPLES)
