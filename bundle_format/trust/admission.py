"""Whether a genuine bundle may come onto this site now: sequence, expiry, and clocks that lie (SPEC.md, admission)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bundle_format.digest import Digest
from bundle_format.errors import RefusedError
from bundle_format.trust.enrolment import Enrolment, Permit, Remembered, permits

JUMP = 10_000
"""How far a sequence may run ahead of the one remembered: a stolen key cannot make all true releases look old."""

DAY = 86_400

LAST = 253_402_300_799
"""The end of the year 9999, beyond which there are no dates."""


@dataclass(frozen=True, slots=True)
class Floor:
    """What an agent was built with: no older time, root version or sequence than these counts, whatever was deleted."""

    time: int = 0
    roots: Mapping[str, int] = field(default_factory=dict)
    sequences: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a bundle's verified index says; times are seconds since 1970 UTC, `sites` None means any."""

    sequence: int
    index: Digest
    issued: int
    expires: int | None = None
    sites: tuple[str, ...] | None = None


def reckoned(clock: int, enrolment: Enrolment, floor: Floor) -> int:
    """The time to judge by: the clock, unless something signed or this agent itself is newer than it claims."""
    return max(clock, enrolment.memory.time, floor.time)


def admit(enrolment: Enrolment, channel: str, offer: Offer, *, clock: int, site: str, floor: Floor) -> tuple[str, ...]:
    """What a person should know about a bundle that may be taken; RefusedError with every reason when it may not.

    The very bundle that the site took last is always let in: repairing a site must not depend on a clock. The one that
    runs after a rollback is older, and yet no step back: nothing but its sequence is forgiven.
    """
    now = reckoned(clock, enrolment, floor)
    notes = []
    if clock < now:
        notes.append(f"the clock says {day(clock)}, but something signed is from {day(now)}: judged by that")
    notes.append(f"the release is {max(0, now - offer.issued) // DAY} days old")
    remembered = enrolment.memory.channels.get(channel)
    if _is(remembered, offer):
        notes.extend(_expiries(enrolment, offer, now))
        return tuple(notes)
    permit = _permit(enrolment, channel, offer, site, now)
    reasons = [*_limits(enrolment, channel, offer, site, floor)]
    if permit:
        notes.append(f"the makers allow sequence {offer.sequence} although the site took a newer one")
    else:
        reasons += _expiries(enrolment, offer, now)
        if _is(enrolment.memory.runs, offer):
            notes.append("it is the release that runs here; what may follow it stays as it was")
        else:
            reasons += _order(remembered, offer)
    if reasons:
        raise RefusedError(
            f"the bundle is genuine and yet refused: {'; '.join(reasons)}",
            "Get a newer bundle, check this host's clock, or go back to what ran here before: floto-agent rollback",
        )
    return tuple(notes)


def day(time: int) -> str:
    """A time in seconds since 1970 UTC, as a date; the last one there is where a signed time lies beyond it."""
    return datetime.fromtimestamp(min(time, LAST), UTC).date().isoformat()


def _is(bundle: Remembered | None, offer: Offer) -> bool:
    return bundle is not None and (bundle.sequence, bundle.index) == (offer.sequence, offer.index)


def _permit(enrolment: Enrolment, channel: str, offer: Offer, site: str, now: int) -> Permit | None:
    fitting = (
        permit
        for permit in enrolment.memory.permits
        if permits(permit, channel, offer.sequence, offer.index)
        and permit.site in (None, site)
        and now <= permit.expires
    )
    return next(fitting, None)


def _limits(enrolment: Enrolment, channel: str, offer: Offer, site: str, floor: Floor) -> Iterator[str]:
    lowest = floor.sequences.get(enrolment.root.product, {}).get(channel, 0)
    if offer.sequence < lowest:
        yield f"this agent was built to take sequence {lowest} or newer, and this is {offer.sequence}"
    if offer.sites is not None and site not in offer.sites:
        yield f"it is for {', '.join(offer.sites) or 'no site'}, and this is {site}"


def _expiries(enrolment: Enrolment, offer: Offer, now: int) -> Iterator[str]:
    root = enrolment.root
    if root.expires is not None and now > root.expires:
        yield f"root {root.version} of {root.product} expired on {day(root.expires)}"
    if offer.expires is not None and now > offer.expires:
        yield f"the bundle expired on {day(offer.expires)}"


def _order(remembered: Remembered | None, offer: Offer) -> Iterator[str]:
    if remembered is None:
        return
    if offer.sequence < remembered.sequence:
        yield f"its sequence is {offer.sequence}, and this site took {remembered.sequence} already"
    if offer.sequence == remembered.sequence and remembered.index is not None:
        yield (
            f"another bundle with sequence {offer.sequence} was taken before ({remembered.index}); "
            "its makers must give each release a number of its own: commit before the build, or say --sequence"
        )
    if offer.sequence > remembered.sequence + JUMP:
        yield f"its sequence {offer.sequence} is more than {JUMP} ahead of {remembered.sequence}"
