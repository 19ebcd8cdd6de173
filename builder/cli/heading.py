"""What a bundle says beside its release: its number, its date, and for whom it is."""

import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import UTC, date, datetime, time

from pydantic import TypeAdapter, ValidationError

from builder.cli.clock import now
from builder.cli.gathering import MADE
from builder.lock import Lock, LockedRelease
from builder.project import Project
from builder.sources.git import commit_count, commit_time, uncommitted
from bundle_format.canonical import MAX_INT
from bundle_format.errors import DefinitionError
from bundle_format.release.fields import Name
from bundle_format.release.model import OLDEST_AGENT, Release
from bundle_format.terminal import Terminal
from bundle_format.trust.admission import day
from bundle_format.writer import Heading


def add_heading_options(parser: ArgumentParser) -> None:
    """Say what the heading shall tell otherwise than usual."""
    parser.add_argument("--channel", metavar="NAME", default="stable", help="default: stable")
    parser.add_argument(
        "--sequence",
        metavar="N",
        type=_number,
        help="number of the release; default: the lock's, or the commits counted",
    )
    parser.add_argument("--expires", metavar="DATE", type=_day, help="last day on which sites may take it: 2025-12-31")
    parser.add_argument(
        "--only-for", metavar="SITE", type=_site, action="append", help="may be repeated; default: any site may take it"
    )


def heading_of(arguments: Namespace, project: Project, release: Release, lock: Lock, terminal: Terminal) -> Heading:
    """The heading that the options, the lock and the project's commits make."""
    locked = lock.release if lock.release and lock.release.version == release.version else None
    issued = _issued(project, locked, terminal)
    if arguments.expires is not None and arguments.expires < issued:
        raise DefinitionError(
            f"--expires is before {day(issued)}, the date of the release", "No site could take it: name a later day."
        )
    return Heading(
        channel=arguments.channel,
        sequence=_sequence(arguments, project, locked, terminal),
        issued=issued,
        expires=arguments.expires,
        sites=tuple(arguments.only_for) if arguments.only_for else None,
        agent=OLDEST_AGENT,
        architectures=tuple(sorted({image.platform for image in release.images.values()})),
    )


def _issued(project: Project, locked: LockedRelease | None, terminal: Terminal) -> int:
    """The release's date: of SOURCE_DATE_EPOCH, of the lock, or of the project's last commit; never the clock's."""
    if os.environ.get("SOURCE_DATE_EPOCH"):
        return now()
    if locked:
        return locked.issued
    committed = commit_time(project.root)
    if committed is None:
        terminal.warn("neither SOURCE_DATE_EPOCH, floto.lock nor a commit dates this release: it says 2000-01-01")
    return MADE if committed is None else committed


def _sequence(arguments: Namespace, project: Project, locked: LockedRelease | None, terminal: Terminal) -> int:
    """The release's number: as told or locked, else that of the project's commits; where git knows of none, 1."""
    if arguments.sequence is not None:
        return int(arguments.sequence)
    if locked:
        return locked.sequence
    counted = commit_count(project.root)
    if counted is None:
        terminal.warn(
            "warning: no --sequence, and git cannot count the project's commits (none, or a shallow clone): this is "
            "number 1,\nwhich a site that took a release before refuses"
        )
        return 1
    if uncommitted(project.root):
        terminal.warn(
            f"warning: what is built is not committed; this is number {counted} like its last commit,\n"
            "and a site that took another bundle of that number refuses it: commit first, or say --sequence"
        )
    return counted


def _day(text: str) -> int:
    try:
        return int(datetime.combine(date.fromisoformat(text), time.max, UTC).timestamp())
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no date such as 2025-12-31") from error


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < MAX_INT:
        raise ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def _site(text: str) -> str:
    try:
        return str(TypeAdapter(Name).validate_python(text))
    except ValidationError as error:
        raise ArgumentTypeError(f"{text!r} is no name of a site") from error
