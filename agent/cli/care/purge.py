"""`floto-agent purge`: remove for good what nothing else removes; every word of it has to be typed."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator

from agent.cli.care.volume import held
from agent.cli.places import add_state_option
from agent.cli.site import site_of
from agent.labels import Owner
from agent.machines.known import forget_disk, known_disks
from agent.machines.purge import doomed_disk, doomed_machine, purge_machine
from agent.purge import Doomed, doomed_by, purge, require_leave
from bundle_format.errors import ExitCode, FlotoError
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent purge volume products       (tells what would go, and what to type for it)
  floto-agent purge network shop
  floto-agent purge disk db1-data         (once no machine has it)
  floto-agent purge machine db2           (whose host the release no longer has; its data disks stay)
  floto-agent purge site                  (what engines hold; machines and data disks by their names)
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("kind", choices=("volume", "network", "disk", "machine", "site"))
    parser.add_argument(
        "name", nargs="?", default="", help="of the volume, network or data disk, or of a machine's host"
    )
    parser.add_argument("--host", metavar="NAME", help="on this host alone")
    parser.add_argument("--confirm", metavar="WORDS", help="what goes, in full, as this verb tells it")
    add_state_option(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    if (arguments.kind == "site") == bool(arguments.name):
        raise FlotoError("a site has no name, all else has one", "See: floto-agent purge --help")
    if arguments.kind in ("disk", "machine"):
        return _purge_hardware(arguments, terminal)
    with held(arguments, terminal) as site:
        doomed = doomed_by(site.state, site.owner, arguments.kind, arguments.name, arguments.host)
        require_leave(doomed, site.receipt)
        for line in _told(doomed):
            terminal.warn(line)
        _require_words(arguments, site.owner)
        for one in doomed:
            purge(one, site.means.engine(one.host))
    terminal.say("removed")
    return ExitCode.DONE


def _purge_hardware(arguments: Namespace, terminal: Terminal) -> ExitCode:
    folder = site_of(arguments).folder
    with held(arguments, terminal, machines=True) as site:
        hypervisors = site.state.hypervisors
        if arguments.kind == "machine":
            machine = doomed_machine(hypervisors, site.owner, site.receipt.undertaking, arguments.name)
            terminal.warn(f"{machine.hypervisor}: machine {machine.machine.name} with ALL ON ITS OWN DISK")
            _require_words(arguments, site.owner)
            purge_machine(machine, site.means.hypervisor(machine.hypervisor))
        else:
            disk = doomed_disk(hypervisors, known_disks(folder), arguments.name)
            what = f"{disk.path} with ALL ITS DATA" if disk.path else "the memory of it alone, for its file is gone"
            terminal.warn(f"{disk.hypervisor}: data disk {arguments.name}: {what}")
            _require_words(arguments, site.owner)
            if disk.path:
                site.means.hypervisor(disk.hypervisor).remove_disk(disk.path)
            forget_disk(folder, arguments.name)
    terminal.say("removed")
    return ExitCode.DONE


def _require_words(arguments: Namespace, owner: Owner) -> None:
    words = " ".join(filter(None, (arguments.kind, arguments.name, "of", owner.product, owner.site)))
    if arguments.confirm != words:
        raise FlotoError("nothing was removed", f'If all of that shall go for good: --confirm "{words}"')


def _told(doomed: Iterable[Doomed]) -> Iterator[str]:
    for one in doomed:
        yield from (f"{one.host}: volume {name} with ALL ITS DATA" for name in one.volumes)
        yield from (f"{one.host}: container {container.name}" for container in one.containers)
        yield from (f"{one.host}: network {name}" for name in one.networks)


VERB = Verb("purge", "Remove volumes, networks or all of a product for good.", _configure, _run, EXAMPLES)
