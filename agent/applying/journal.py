"""The journal: what is being attempted on this site, on disk before it is attempted.

A record is its length and the CRC-32 of both (4 bytes each, little endian), then JSON. It is a record and no program
counter: what engines report is the truth.
"""

import os
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from agent.history import Outcome, Undertaking
from agent.steps import Phase
from bundle_format.canonical import canonical
from bundle_format.errors import LockedError
from bundle_format.release.value import Value
from bundle_format.trust.private import read_private, replace_private

_HEAD = struct.Struct("<II")
_MOST = 64 << 20
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class Opened(Value):
    """An undertaking begins; always the first record, and only the first."""

    kind: Literal["opened"] = "opened"
    undertaking: Undertaking


class Entered(Value):
    """A phase begins, at this Unix time."""

    kind: Literal["entered"] = "entered"
    phase: Phase
    at: int


class Began(Value):
    """A step is about to have its effect."""

    kind: Literal["began"] = "began"
    step: int


class Did(Value):
    """A step's effect was seen; `result` is a backup's digest."""

    kind: Literal["did"] = "did"
    step: int
    result: str = ""


class Failed(Value):
    """A step or a phase failed, and why."""

    kind: Literal["failed"] = "failed"
    step: int | None
    why: str


class Retreated(Value):
    """From here on everything is taken back."""

    kind: Literal["retreated"] = "retreated"


class Restored(Value):
    """A step's backup was put back, which must not be done twice."""

    kind: Literal["restored"] = "restored"
    step: int


class Left(Value):
    """It failed, and from this Unix time on is left as it is for a person, as was asked."""

    kind: Literal["left"] = "left"
    at: int


class Resumed(Value):
    """Another agent took over after an interruption."""

    kind: Literal["resumed"] = "resumed"


class Closed(Value):
    """Nothing is left to do; always the last record."""

    kind: Literal["closed"] = "closed"
    outcome: Outcome


Record = Annotated[
    Opened | Entered | Began | Did | Failed | Retreated | Restored | Left | Resumed | Closed,
    Field(discriminator="kind"),
]
_RECORD: TypeAdapter[Record] = TypeAdapter(Record)


@dataclass(slots=True)
class Course:
    """How far an undertaking has come, as its journal tells.

    `attempts` counts the agents that took it over and did not leave it in good order; since the Unix time `left` it
    waits for a person, who asked for that.
    """

    undertaking: Undertaking
    phase: Phase = Phase.STAGE
    phases: dict[Phase, int] = field(default_factory=dict)
    began: set[int] = field(default_factory=set)
    did: dict[int, str] = field(default_factory=dict)
    restored: set[int] = field(default_factory=set)
    reasons: list[str] = field(default_factory=list)
    attempts: int = 0
    retreating: bool = False
    left: int | None = None
    outcome: Outcome | None = None

    @property
    def complete(self) -> bool:
        """Whether every step was done in the end, however often it failed before."""
        return len(self.did) == len(self.undertaking.plan.steps)

    def note(self, record: Record) -> None:
        """Take one more record into account."""
        match record:
            case Entered(phase=phase, at=at):
                self.phase = phase
                self.phases[phase] = at
            case Began(step=step):
                self.began.add(step)
            case Did(step=step, result=result):
                self.did[step] = result
            case Failed():
                self._note_failure(record)
            case Restored(step=step):
                self.restored.add(step)
            case Retreated() | Left() | Resumed():
                self._note_turn(record)
            case Closed(outcome=outcome):
                self.outcome = outcome
            case Opened():
                raise ValueError("a journal tells of one undertaking")

    def _note_turn(self, record: Retreated | Left | Resumed) -> None:
        match record:
            case Retreated():
                self.retreating = True
                self.left = None
            case Left(at=at):
                self.left = at
                self.attempts = 0
            case Resumed():
                self.attempts += 1

    def _note_failure(self, record: Failed) -> None:
        if record.why not in self.reasons:
            self.reasons.append(record.why)
        if record.step is not None:
            self.did.pop(record.step, None)


class Journal:
    """The open journal of one undertaking; safe to write to from several threads."""

    def __init__(self, path: Path, course: Course, size: int) -> None:
        self.course = course
        self._path = path
        self._size = size
        self._lock = threading.Lock()

    def write(self, record: Record) -> None:
        """Append a record, durably; LockedError when the disk does not take it, and then it is not there at all."""
        framed = _framed(record)
        with self._lock, _opened(self._path) as descriptor:
            try:
                _write_all(descriptor, framed)
            except (OSError, KeyboardInterrupt):
                # Half a record in the middle would hide every later one.
                os.ftruncate(descriptor, self._size)
                raise
            self._size += len(framed)
            self.course.note(record)


def begin_journal(path: Path, undertaking: Undertaking) -> Journal:
    """Begin the journal of an undertaking in place of the closed one before it."""
    framed = _framed(Opened(undertaking=undertaking))
    replace_private(path, framed)
    return Journal(path, Course(undertaking), len(framed))


def open_journal(path: Path) -> Journal | None:
    """The journal at `path`, its torn tail dropped; None if there is none. LockedError when it is damaged."""
    if not path.exists():
        return None
    content = read_private(path)
    records, size = _read(path, content)
    if size < len(content):
        with _opened(path) as descriptor:
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)
    return Journal(path, _course(path, records), size)


def read_course(path: Path) -> Course | None:
    """What the journal at `path` tells, without touching it; None if there is none."""
    if not path.exists():
        return None
    records, _ = _read(path, read_private(path))
    return _course(path, records)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | _NO_LINK)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
    except OSError as error:
        raise LockedError(
            f"the journal {path} cannot be written: {error.strerror}",
            "See that its disk can be written and has room, then: floto-agent resume",
        ) from error


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)


def _course(path: Path, records: Iterable[Record]) -> Course:
    first, *rest = records
    if not isinstance(first, Opened):
        raise _damaged(path)
    course = Course(first.undertaking)
    for record in rest:
        course.note(record)
    return course


def _read(path: Path, content: bytes) -> tuple[list[Record], int]:
    records: list[Record] = []
    size = 0
    while (payload := _payload(content, size)) is not None:
        try:
            records.append(_RECORD.validate_json(payload))
        except ValidationError as error:
            raise _damaged(path) from error
        size += _HEAD.size + len(payload)
    # Only the last record can be torn, for each is on disk before the next: a sound one behind it means damage.
    if not records or any(_payload(content, later) is not None for later in _heads(content, size + 1)):
        raise _damaged(path)
    return records, size


def _heads(content: bytes, start: int) -> Iterator[int]:
    return iter(range(start, len(content) - _HEAD.size))


def _payload(content: bytes, position: int) -> bytes | None:
    head = content[position : position + _HEAD.size]
    if len(head) < _HEAD.size:
        return None
    length, checksum = _HEAD.unpack(head)
    start = position + _HEAD.size
    if not 0 < length <= min(_MOST, len(content) - start):
        return None
    payload = content[start : start + length]
    return payload if checksum == _checksum(payload) else None


def _framed(record: Record) -> bytes:
    payload = canonical(record.model_dump(mode="json"))
    return _HEAD.pack(len(payload), _checksum(payload)) + payload


def _checksum(payload: bytes) -> int:
    return zlib.crc32(len(payload).to_bytes(4, "little") + payload)


def _damaged(path: Path) -> LockedError:
    return LockedError(
        f"the journal {path} is damaged",
        "No engine was touched. Look at `floto-agent status`; when the site is well, move the journal away.",
    )
