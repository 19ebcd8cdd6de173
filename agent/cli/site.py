"""What verbs that act on a site share: its state folder, its trust, its engines, and the wishes of a person."""

import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.applying.journal import Course, read_course
from agent.applying.transaction import WAYS_OUT
from agent.cli.places import state_of
from agent.floor import FLOOR
from agent.folder import Folder, open_folder
from agent.history import Backup, History, Receipt, Source, read_history
from agent.intent import Keeper, from_store
from agent.interlude import noted
from agent.labels import Adopted, Owner
from agent.machines.materials import Workshop
from agent.observe import at_once
from agent.planning.view import Wishes
from agent.report.history import moment
from agent.targets.engine import Engine
from bundle_format.errors import FlotoError, TargetError
from bundle_format.reader import Bundle
from bundle_format.release.deployment import Host
from bundle_format.store import Store
from bundle_format.terminal import Terminal
from bundle_format.trust.admission import Offer
from bundle_format.trust.state import TrustFolder
from bundle_format.trust.trust import Signers, Trust


@dataclass(frozen=True, slots=True)
class Site:
    """One site as this computer knows it."""

    folder: Folder
    store: Store
    trust: TrustFolder

    def keeper(self, terminal: Terminal | None) -> Keeper:
        """Where secrets come from; nobody is asked for them without a terminal."""
        ask = terminal.secret if terminal and sys.stdin.isatty() else None
        return Keeper(self.folder.key(), os.environ, ask, Workshop(self.folder.machines, time.time))

    def learn(self, bundle: Bundle) -> None:
        """Keep the root documents that a bundle brought: keys that they take away are dead from now on."""
        self.trust.change(lambda trust: trust.learn(bundle.signers))

    def remember(self, source: Source) -> None:
        """Remember that a bundle runs here, so that an older one is refused."""

        def remembered(trust: Trust) -> Trust:
            root = trust.enrolments[source.product].root
            signers = Signers(source.product, source.channel, source.signers, root, b"")
            return trust.remember(signers, _offered(source))

        self.trust.change(remembered)

    def go_back(self, source: Source) -> None:
        """Remember that what a bundle brought before runs here again, so that this bundle is not refused."""
        self.trust.change(lambda trust: trust.go_back(source.product, _offered(source)))


def site_of(arguments: Namespace) -> Site:
    """The site whose state the arguments name."""
    folder = open_folder(state_of(arguments))
    return Site(folder, Store(folder.store), TrustFolder(folder.root, FLOOR))


def admit(trust: Trust, bundle: Bundle, site: str) -> tuple[str, ...]:
    """What a person should know of a bundle that may come onto the site now; RefusedError when it may not."""
    index = bundle.index
    offer = Offer(index.sequence, bundle.page.index_digest, index.issued, index.expires, index.sites)
    return trust.admit(bundle.signers, offer, clock=int(time.time()), site=site)


def _offered(source: Source) -> Offer:
    return Offer(source.sequence, source.index, source.issued)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A change that has not ended; `holder` is the process that holds the site meanwhile, empty where none does."""

    course: Course
    holder: str

    def __str__(self) -> str:
        undertaking, phase = self.course.undertaking, self.course.phase
        change = f"the {undertaking.operation} of {undertaking.source.version}"
        if self.holder:
            return f"{change} is in phase {phase}, and {self.holder} holds the site"
        if self.course.left is not None:
            return f"{change} failed in phase {phase} and is left so since {moment(self.course.left)}, for a person"
        return f"{change} was interrupted in phase {phase}"

    @property
    def remedy(self) -> str:
        """What to do about it."""
        if self.holder:
            return "Wait until it has ended."
        return WAYS_OUT if self.course.left is not None else "End it: floto-agent resume"


def open_course(site: Site) -> Course | None:
    """What the journal tells of a change that has not ended; None where there is none."""
    course = read_course(site.folder.journal)
    return course if course and course.outcome is None else None


def unfinished(site: Site) -> Unfinished | None:
    """The change that has not ended, if there is one, and who holds the site."""
    if open_course(site) is None:
        return None
    holder = site.folder.holder()
    course = open_course(site)  # again, for it may have ended before the look at who holds the site
    return None if course is None else Unfinished(course, holder)


def open_interlude(site: Site) -> tuple[str, str] | None:
    """What stands still for a while, and which process holds the site meanwhile, if one does; None where nothing."""
    if noted(site.folder.interlude) is None:
        return None
    holder = site.folder.holder()
    found = noted(site.folder.interlude)  # again, as in `unfinished`
    return None if found is None else (str(found), holder)


def history_of(site: Site, terminal: Terminal) -> History:
    """What was done here, with a warning where receipts are damaged."""
    history = read_history(site.folder)
    for warning in history.warnings():
        terminal.warn(f"warning: {warning}")
    return history


def installed(site: Site) -> Receipt:
    """The receipt of the release that runs here; FlotoError where none was applied yet."""
    history = read_history(site.folder)
    current = history.current
    if current is None:
        history.require_known()
        if first := unfinished(site):
            raise FlotoError(
                f"nothing runs here yet: {first}",
                first.remedy,
            )
        raise FlotoError(
            f"nothing was applied here yet (state folder {site.folder.root})",
            "Apply a bundle, or name the site's state folder with --state.",
        )
    return current


def secrets_of(site: Site, source: Source) -> tuple[str, ...] | None:
    """The secrets of a release in the store, None where they cannot be read without asking."""
    try:
        return from_store(source, site.store, site.keeper(None)).secrets
    except FlotoError:
        return None


def owner_of(source: Source) -> Owner:
    """For whom the engines of a release are asked."""
    return Owner(source.product, source.site)


@contextmanager
def engines_of(
    hosts: Mapping[str, Host], owner: Owner, adopted: Collection[Adopted] = ()
) -> Iterator[tuple[dict[str, Engine], dict[str, str]]]:
    """The engines of hosts, and for those that do not answer what was wrong."""
    engines: dict[str, Engine] = {}
    silent: dict[str, str] = {}
    with ExitStack() as opened:
        for host, engine in at_once(lambda host: connected(host, owner), hosts.values()):
            if isinstance(engine, str):
                silent[host.name] = engine
            else:
                opened.callback(engine.close)
                engine.adopt(adopted)
                engines[host.name] = engine
        yield engines, silent


def add_site_option(parser: ArgumentParser) -> None:
    """Let a person name the site's file."""
    parser.add_argument("--site", type=Path, default=Path("site.toml"), metavar="FILE", help="default: ./site.toml")


def add_wish_options(parser: ArgumentParser) -> None:
    """Let a person narrow a plan or lift a protection."""
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only this host or container")
    parser.add_argument(
        "--unprotect", action="append", default=[], metavar="NAME", help="in spite of the container's protection"
    )
    parser.add_argument(
        "--adopt",
        action="append",
        default=[],
        metavar="NAME",
        help="take over what floto did not make: replace a container of that name, use a volume or network as it is",
    )


def wishes_of(arguments: Namespace, *, anew: frozenset[str] = frozenset(), restore: tuple[Backup, ...] = ()) -> Wishes:
    """What the arguments ask for beyond the release."""
    only, unprotect = frozenset(arguments.only), frozenset(arguments.unprotect)
    return Wishes(only=only, unprotect=unprotect, anew=anew, restore=restore, adopt=frozenset(arguments.adopt))


def connected(host: Host, owner: Owner) -> Engine | str:
    """The engine of a host, or what was wrong with it."""
    from agent.targets.docker.engine import DockerEngine

    if host.access is None:
        return f"{host.name}: the site's file does not say how to reach its engine"
    try:
        return DockerEngine(host.name, host.access, owner)
    except TargetError as error:
        return error.message
