"""What was set out to do on this site and how it ended: undertakings, and the receipts that are kept of them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypeVar

from pydantic import Field

from agent.folder import Folder
from agent.labels import Adopted
from agent.machines.known import known_disks
from agent.machines.state import KnownDisk
from agent.steps import CreateVolume, Phase, Plan
from bundle_format.canonical import canonical
from bundle_format.digest import Digest
from bundle_format.errors import LockedError
from bundle_format.release.deployment import Host
from bundle_format.release.model import DigestText, Image, MachineImage
from bundle_format.release.value import Value
from bundle_format.site.hypervisors import AnyAccess
from bundle_format.trust.private import read_private, replace_private

T = TypeVar("T")

Operation = Literal["apply", "rollback", "redeploy", "repair"]
OnFailure = Literal["rollback", "stop", "continue"]
Outcome = Literal["done", "partly done", "taken back"]


class Placed(Value):
    """A container, task or service of a release: where it is, of what, what protects it, whom it waits for, how long.

    `files` are the configs and secrets that a service has in its swarm.
    """

    host: str
    image: str
    spec: DigestText
    protect: Literal["no", "stop", "replace", "purge"] = "no"
    after: tuple[str, ...] = ()
    grace: int = 10
    deadline: int = 120
    files: tuple[str, ...] = ()


class Source(Value):
    """Where a deployment comes from: a release in the site's store and the site's file as it was.

    `index`, `channel`, `sequence`, `issued` (Unix seconds) and `signers` are those of the bundle that brought it;
    `folder` is the one that relative paths in the site's file count from.
    """

    product: str
    site: str
    version: str
    release: DigestText
    site_file: DigestText
    folder: str
    index: DigestText
    channel: str
    sequence: int
    issued: int
    signers: tuple[str, ...] = ()


class Undertaking(Value):
    """All that an apply sets out to do, known before its first effect. Times are Unix seconds.

    `leaving` are hosts that the release no longer has and from which something is removed; `adopted` is all that counts
    as the product's own although it lacks its labels.
    """

    format: Literal["floto-undertaking/1"] = "floto-undertaking/1"
    number: int
    transaction: str
    operation: Operation
    agent: str
    begun: int
    source: Source
    hosts: dict[str, Host]
    leaving: dict[str, Host] = Field(default_factory=dict)
    hypervisors: dict[str, AnyAccess] = Field(default_factory=dict)
    images: dict[str, Image]
    machine_images: dict[str, MachineImage] = Field(default_factory=dict)
    containers: dict[str, Placed]
    tasks: dict[str, Placed]
    services: dict[str, Placed] = Field(default_factory=dict)
    volumes: tuple[str, ...] = ()
    on_failure: OnFailure = "rollback"
    only: tuple[str, ...] = ()
    adopted: tuple[Adopted, ...] = ()
    plan: Plan

    @property
    def reached(self) -> dict[str, Host]:
        """The hosts whose engines it takes to bring it to an end."""
        return {**self.leaving, **self.hosts}


class Backup(Value):
    """A volume's content as it was before a step that cannot be undone otherwise."""

    host: str
    volume: str
    content: DigestText


class Receipt(Value):
    """How an undertaking ended; `tasks` are those that ran to their good end, `phases` when each began."""

    undertaking: Undertaking
    outcome: Outcome
    ended: int
    phases: dict[Phase, int] = Field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    backups: tuple[Backup, ...] = ()

    @property
    def installed(self) -> bool:
        """Whether its release is what the site runs since."""
        return self.outcome != "taken back"

    @property
    def complete(self) -> bool:
        """Whether all of its release is there, so that each of its tasks has run, then or before."""
        return self.outcome == "done" and not self.undertaking.only

    @property
    def restores(self) -> bool:
        """Whether volumes were set back to backups."""
        return any(step.action.kind == "restore" for step in self.undertaking.plan.steps)


class History(Value):
    """The receipts of a site, oldest first, and the data disks that it has seen, by name.

    `damaged` are files of receipts that cannot be read, by number; they are left out.
    """

    receipts: tuple[Receipt, ...] = ()
    damaged: dict[int, str] = Field(default_factory=dict)
    disks: dict[str, KnownDisk] = Field(default_factory=dict)

    @property
    def current(self) -> Receipt | None:
        """The one whose release runs, None on a site where nothing was applied yet."""
        return next((receipt for receipt in reversed(self.receipts) if receipt.installed), None)

    @property
    def previous(self) -> Receipt | None:
        """The newest one of another release than the current one's: what `rollback` goes to."""
        current = self.current
        if current is None:
            return None
        return next((receipt for receipt in self._installed() if not _same(receipt, current)), None)

    @property
    def adopted(self) -> frozenset[Adopted]:
        """What is used by leave given before: networks and volumes, until we make our own in their place.

        Adopted containers have been replaced by then; a volume has no id that could tell another of its name.
        """
        if self.current is None:
            return frozenset()
        undertaking = self.current.undertaking
        actions = (step.action for step in undertaking.plan.steps)
        made = {(action.host, action.volume) for action in actions if isinstance(action, CreateVolume)}
        kept = (one for one in undertaking.adopted if one.kind != "container" and (one.host, one.key) not in made)
        return frozenset(kept)

    @property
    def next_number(self) -> int:
        """The number of the next undertaking."""
        return max((*self.damaged, *(receipt.undertaking.number for receipt in self.receipts)), default=0) + 1

    def damaged_since(self, receipt: Receipt | None) -> str:
        """The files of damaged receipts that are newer than `receipt`, or of all, for a person; empty if none is."""
        last = receipt.undertaking.number if receipt else 0
        return ", ".join(file for number, file in self.damaged.items() if number > last)

    def require_known(self) -> None:
        """LockedError when a damaged receipt may be the one of what runs."""
        if files := self.damaged_since(self.current):
            raise LockedError(
                f"a receipt is damaged that may be of what runs here: {files}; nothing was changed",
                "Move it away: the release before then counts as what runs. Where another runs, apply its bundle for a "
                "new receipt; look at its plan first: a task that has run would run again.",
            )

    def warnings(self) -> Iterator[str]:
        """What a person should know of damaged receipts."""
        if files := self.damaged_since(None):
            yield f"a receipt is damaged, and left out: {files}"
        if files := self.damaged_since(self.current):
            yield f"it may be of what runs here, so nothing is changed before it is moved away: {files}"

    def of_version(self, version: str) -> Receipt | None:
        """The newest receipt of a version that ran here."""
        return next((receipt for receipt in self._installed() if receipt.undertaking.source.version == version), None)

    def tasks_done(self, version: str, *, restored: bool = False) -> frozenset[tuple[str, Digest]]:
        """Name and spec of every task that has run for this version and whose effects are still there.

        `restored`: as they will be once backups have brought back what was there when this version was left.
        """
        effects: list[frozenset[tuple[str, str, Digest]]] = []
        installed = [receipt for receipt in self.receipts if receipt.installed]
        versions = [receipt.undertaking.source.version for receipt in installed]
        for number, receipt in enumerate(installed):
            before = effects[-1] if effects else frozenset()
            if receipt.restores:
                before = _last(effects, versions[:number], versions[number]) or frozenset()
            tasks = receipt.undertaking.tasks
            ran = tasks.keys() if receipt.complete else receipt.tasks
            own = {(versions[number], name, tasks[name].spec) for name in ran}
            effects.append(before | own)
        now = effects[-1] if effects else frozenset()
        if restored:
            now = _last(effects, versions, version) or now
        return frozenset((name, spec) for of, name, spec in now if of == version)

    def backups_since(self, receipt: Receipt) -> tuple[Backup, ...]:
        """What volumes held before anything after `receipt` changed them in a way that cannot be undone otherwise."""
        since: dict[tuple[str, str], Backup] = {}
        for later in self.receipts:
            if later.installed and later.undertaking.number > receipt.undertaking.number:
                for backup in later.backups:
                    since.setdefault((backup.host, backup.volume), backup)
        return tuple(since.values())

    def _installed(self) -> Iterable[Receipt]:
        return (receipt for receipt in reversed(self.receipts) if receipt.installed)


def read_history(folder: Folder) -> History:
    """All receipts of a site that can be read."""
    receipts = []
    damaged = {}
    for path in sorted(folder.receipts.glob(f"{'[0-9]' * 6}.json")):
        try:
            receipts.append(Receipt.model_validate_json(read_private(path)))
        except ValueError:
            damaged[int(path.stem)] = str(path)
    return History(receipts=tuple(receipts), damaged=damaged, disks=known_disks(folder))


def keep_receipt(folder: Folder, receipt: Receipt) -> None:
    """Keep a receipt, whole, in place of one of the same undertaking."""
    path = folder.receipts / f"{receipt.undertaking.number:06d}.json"
    replace_private(path, canonical(receipt.model_dump(mode="json")))


def _last(effects: Sequence[frozenset[T]], versions: Sequence[str], version: str) -> frozenset[T] | None:
    """What was there when a version was last left."""
    found = [effect for effect, of in zip(effects, versions, strict=True) if of == version]
    return found[-1] if found else None


def _same(one: Receipt, other: Receipt) -> bool:
    return one.undertaking.source.release == other.undertaking.source.release
