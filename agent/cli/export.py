"""`floto-agent export`: what is carried home from a site."""

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from agent.cli.machinery import hypervisors_of
from agent.cli.places import add_state_option
from agent.cli.site import installed, owner_of, site_of
from agent.history import read_history
from agent.holdings import holdings_of, site_signer
from bundle_format.durable import check_place, whole_file
from bundle_format.errors import ExitCode, FlotoError, TargetError
from bundle_format.inventory import fingerprint_of, write_inventory
from bundle_format.terminal import Terminal, Verb
from bundle_format.trust.words import words_of

EXAMPLES = """\
  floto-agent export inventory --output krakow-1.inventory
  floto-agent export host db1 --output db1.ova    (its machine has to be switched off)
at home, a bundle of just what this site lacks:
  floto-builder build --key keys/shop.key --for krakow-1.inventory
"""


def _configure(parser: ArgumentParser) -> None:
    things = parser.add_subparsers(required=True, metavar="WHAT")
    inventory = things.add_parser("inventory", help="what the site holds, so that a delta is made for just that")
    inventory.add_argument("--output", metavar="FILE", type=Path, help="default: print it")
    inventory.set_defaults(act=_inventory)
    add_state_option(inventory)
    host = things.add_parser("host", help="a machine with all its disks, as an OVA; it has to be switched off")
    host.add_argument("host", help="its name in the release")
    host.add_argument("--output", metavar="FILE", type=Path, required=True, help="the OVA to be written")
    host.set_defaults(act=_host)
    add_state_option(host)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    if arguments.output:
        check_place(arguments.output)
    arguments.act(arguments, terminal)
    return ExitCode.DONE


def _inventory(arguments: Namespace, terminal: Terminal) -> None:
    site = site_of(arguments)
    holdings = holdings_of(read_history(site.folder), site.store, int(time.time()), terminal.progress())
    signer = site_signer(site.folder.key())
    content = write_inventory(holdings.inventory, signer)
    if arguments.output:
        with whole_file(arguments.output) as stream:
            stream.write(content)
    else:
        terminal.content(content)
    for held in holdings.inventory.releases:
        terminal.warn(f"release {held.base.release}: {len(held.base.blobs)} blobs whole")
    for digest in holdings.lost:
        terminal.warn(f"warning: {digest} is not whole here, and is left out: it comes again with the next bundle")
    terminal.warn(f"signed by this site's own key: {words_of(fingerprint_of(signer.public))}")


def _host(arguments: Namespace, terminal: Terminal) -> None:
    site = site_of(arguments)
    undertaking = installed(site).undertaking
    host = undertaking.hosts.get(arguments.host)
    if host is None or host.machine is None or host.machine.hypervisor not in undertaking.hypervisors:
        raise FlotoError(f"the release has no machine of the agent's for host {arguments.host}")
    accesses = {host.machine.hypervisor: undertaking.hypervisors[host.machine.hypervisor]}
    with (
        site.folder.held(),
        hypervisors_of(accesses, owner_of(undertaking.source), site, site.keeper(terminal)) as (opened, silent),
    ):
        for why in silent.values():
            raise TargetError(why)
        hypervisor = opened[host.machine.hypervisor]
        name = hypervisor.observe().machine_name(host.name)
        with whole_file(arguments.output) as stream:
            hypervisor.export(name, stream, terminal.progress())
    terminal.say(f"{arguments.output}: machine {name}, as it is")


VERB = Verb("export", "Write down what is to be carried home.", _configure, _run, EXAMPLES)
