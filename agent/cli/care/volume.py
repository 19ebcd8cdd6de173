"""What the verbs that touch volumes share: the site held alone, its engines, and where a volume is."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.applying.means import Means
from agent.cli.changes.carrying import means_of, settle_before
from agent.cli.changes.stopping import stoppable
from agent.cli.machinery import hypervisors_of, machinery_of
from agent.cli.places import add_state_option
from agent.cli.site import engines_of, installed, owner_of, site_of
from agent.history import Receipt
from agent.labels import Owner
from agent.observe import observe
from agent.state import SiteState
from bundle_format.terminal import Terminal


@dataclass(frozen=True, slots=True)
class Held:
    """A site that no other agent changes meanwhile, looked at; `note` is for what stands still (`interlude`)."""

    receipt: Receipt
    owner: Owner
    state: SiteState
    means: Means
    note: Path


def add_volume_options(parser: ArgumentParser) -> None:
    """Let a person name a volume."""
    parser.add_argument("volume", help="its name in the release")
    parser.add_argument("--host", metavar="NAME", help="where several hosts have one of that name")
    add_state_option(parser)


@contextmanager
def held(arguments: Namespace, terminal: Terminal, *, machines: bool = False) -> Iterator[Held]:
    """Hold the site for as long as the block lasts; `machines`: its hypervisors, too."""
    site = site_of(arguments)
    with site.folder.held(), stoppable() as stop:
        settle_before(site, arguments, terminal)
        receipt = installed(site)
        undertaking = receipt.undertaking
        owner = owner_of(undertaking.source)
        accesses = undertaking.hypervisors if machines else {}
        with (
            hypervisors_of(accesses, owner, site, site.keeper(terminal)) as (hypervisors, mute),
            engines_of(undertaking.hosts, owner, undertaking.adopted) as (engines, silent),
        ):
            for why in (*mute.values(), *silent.values()):
                terminal.warn(f"warning: {why}")
            machinery = machinery_of(hypervisors, undertaking.hosts, owner, site, undertaking.adopted)
            means = means_of(site, terminal, stop, undertaking, engines, machinery=machinery if hypervisors else None)
            yield Held(receipt, owner, observe(engines, silent, None, hypervisors, mute), means, site.folder.interlude)
