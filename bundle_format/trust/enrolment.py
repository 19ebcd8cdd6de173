"""What a site believes and remembers of one product, and what it forgets when keys change hands (SPEC.md, memory)."""

from pydantic import Field

from bundle_format.digest import Digest
from bundle_format.errors import BadSignatureError
from bundle_format.release.fields import Name, Seconds
from bundle_format.release.model import DigestText
from bundle_format.release.value import Value
from bundle_format.trust.documents import Document
from bundle_format.trust.roots import Root, Sequence, first_root, next_root


class Remembered(Value):
    """The newest bundle that this site took on a channel; `index` is None where makers only told the sequence."""

    sequence: Sequence
    index: DigestText | None
    issued: Seconds


class Permit(Value):
    """Leave to take a bundle although a newer one was taken: once, until `expires`, at `site` or anywhere."""

    channel: Name
    sequence: Sequence
    index: DigestText
    site: Name | None
    expires: Seconds
    fingerprint: DigestText


class Memory(Value):
    """What this site learned from signed words alone; `time` is the newest signed time, in seconds since 1970 UTC.

    `runs` is the bundle whose release runs here, which after a rollback is not the newest that was taken.
    """

    time: Seconds = 0
    channels: dict[Name, Remembered] = Field(default_factory=dict)
    runs: Remembered | None = None
    permits: tuple[Permit, ...] = ()
    spent: tuple[DigestText, ...] = ()


class Enrolment(Value):
    """One product: the root document that a person compared, the newest that followed from it, and the memory."""

    enrolled: DigestText
    fingerprint: DigestText
    root: Root
    memory: Memory


def enrolled(document: Document) -> Enrolment:
    """Believe a root document whose fingerprint a person has compared; TrustError unless its own keys signed it."""
    root = first_root(document)
    fingerprint = document.fingerprint
    return Enrolment(enrolled=fingerprint, fingerprint=fingerprint, root=root, memory=Memory(time=root.issued))


def followed(enrolment: Enrolment, document: Document) -> Enrolment:
    """The enrolment after a root document of its product: a later one follows, the same and older ones change nothing.

    BadSignatureError for another document of the version that is believed.
    """
    known = enrolment.root.version
    if document.version < known or document.fingerprint == enrolment.fingerprint:
        return enrolment
    if document.version == known:
        raise BadSignatureError(
            f"BAD root document: another version {known} of {enrolment.root.product!r} than the one this site believes",
            "Two different documents claim the same version: somebody forged one. Tell the makers; use neither.",
        )
    root = next_root(enrolment.root, document)
    memory = _kept(enrolment, root)
    return Enrolment(enrolled=enrolment.enrolled, fingerprint=document.fingerprint, root=root, memory=memory)


def _kept(enrolment: Enrolment, root: Root) -> Memory:
    """Whoever held the keys that were taken away may have signed sequence 2**52, or the year 2099 (THREATS 7).

    Where those keys alone could sign a release, all that the site remembers on the word of release keys is forgotten;
    the new root's minimum sequences stand in its place.
    """
    memory = enrolment.memory
    removed = {*enrolment.root.role_keys("release").values()} - {*root.role_keys("release").values()}
    if len(removed) >= enrolment.root.threshold("release"):
        return Memory(time=root.issued, spent=memory.spent)
    return memory.model_copy(update={"time": max(memory.time, root.issued)})


def taken(enrolment: Enrolment, channel: str, bundle: Remembered) -> Enrolment:
    """The enrolment once the site has taken a bundle; a permit that was needed for it is spent.

    An older bundle without a permit is the one that the site went back to: what may follow stays as it was.
    """
    memory = enrolment.memory
    used = [permit for permit in memory.permits if permits(permit, channel, bundle.sequence, bundle.index)]
    known = memory.channels.get(channel)
    older = known is not None and bundle.sequence < known.sequence and not used
    remembered = Memory(
        time=max(memory.time, bundle.issued),
        channels=memory.channels if older else {**memory.channels, channel: bundle},
        runs=bundle,
        permits=tuple(permit for permit in memory.permits if permit not in used),
        spent=(*memory.spent, *(permit.fingerprint for permit in used)),
    )
    return enrolment.model_copy(update={"memory": remembered})


def gone_back(enrolment: Enrolment, bundle: Remembered) -> Enrolment:
    """The enrolment once a bundle runs again that the site took before: nothing else is remembered or forgotten."""
    return enrolment.model_copy(update={"memory": enrolment.memory.model_copy(update={"runs": bundle})})


def permits(permit: Permit, channel: str, sequence: int, index: Digest | None) -> bool:
    """Whether the permit is for this bundle."""
    return (permit.channel, permit.sequence, permit.index) == (channel, sequence, index)
