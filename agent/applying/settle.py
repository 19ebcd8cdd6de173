"""Ending what was interrupted, by the table of APPLY: finish, go forward once, or take back."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import Literal

from agent.applying.journal import Course, Journal, Resumed, open_journal
from agent.applying.means import Means
from agent.applying.transaction import Conduct, Remember, Transaction
from agent.folder import Folder
from agent.history import Receipt, Undertaking
from agent.steps import Phase
from bundle_format.errors import NeedsPersonError

MOST_ATTEMPTS = 5
"""So many agents may take an undertaking over before a person has to look (THREATS 40)."""

Way = Literal["finish", "forward", "back"]

Equip = Callable[[Undertaking], AbstractContextManager[Means]]
"""Opens the engines of an undertaking; those that do not answer are left out."""


def settle(
    folder: Folder,
    equip: Equip,
    conduct: Conduct,
    remember: Remember,
    *,
    back: bool = False,
    revert: Collection[str] = (),
) -> Receipt | None:
    """End an undertaking that was interrupted; None if there is none.

    `back`: a person asks to take it back whatever its phase, and however often that was tried; `revert` names hosts
    whose machines go back to their snapshots before. RolledBackError and NeedsPersonError as for `Transaction.go`.
    """
    journal = open_journal(folder.journal)
    if journal is None or journal.course.outcome is not None:
        return None
    journal.write(Resumed())
    way = way_of(journal.course, back=back)
    if journal.course.attempts > MOST_ATTEMPTS and not back and way != "finish":
        raise _exhausted(journal)
    with equip(journal.course.undertaking) as means:
        transaction = Transaction(journal, means, folder, conduct, remember)
        match way:
            case "finish":
                return transaction.finish()
            case "forward":
                return transaction.go_on()
            case "back":
                return transaction.give_up(revert)


def way_of(course: Course, *, back: bool = False) -> Way:
    """What becomes of an interrupted undertaking."""
    if course.phase in (Phase.COMMIT, Phase.TIDY):
        return "finish"
    left = course.left is not None
    if back or course.retreating or (course.phase is not Phase.SWITCH and not left):
        return "back"
    if any(step.late and number not in course.did for number, step in enumerate(course.undertaking.plan.steps)):
        return "back"  # what is still to be made ready, the journal does not hold
    return "forward" if course.attempts <= 1 or left else "back"


def _exhausted(journal: Journal) -> NeedsPersonError:
    course = journal.course
    source = course.undertaking.source
    return NeedsPersonError(
        f"{course.undertaking.operation} of {source.product} {source.version} was taken over {course.attempts - 1} "
        f"times and never came to an end; it is in phase {course.phase}, and nothing more is touched",
        "Find what stops it (power, disk, engine), then take it back: floto-agent abort",
    )
