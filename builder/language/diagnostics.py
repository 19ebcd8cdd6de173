"""Faults of a definition as people read them: place, message, the line itself with carets, notes."""

from collections.abc import Iterable, Sequence
from typing import Final

from bundle_format.errors import DefinitionError
from bundle_format.release.value import Fault


class FaultyDefinitionError(DefinitionError):
    """A definition with faults; the message shows each with its line."""

    def __init__(self, faults: Sequence[Fault], text: str) -> None:
        super().__init__(text)
        self.faults = faults


def in_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Each fault once, in the order of their places, with the notes of whoever found it first."""
    once: dict[tuple[str, int, int, str], Fault] = {}
    for fault in faults:
        once.setdefault((fault.file, fault.line, fault.column, fault.message), fault)
    return tuple(once[place] for place in sorted(once))


MAX_LINE: Final = 500
"""Longer lines are no use to a reader."""


def shown(fault: Fault, lines: Sequence[str]) -> str:
    """One fault, its line and its notes."""
    told = [str(fault)]
    if 0 < fault.line <= len(lines) and len(lines[fault.line - 1]) <= MAX_LINE:
        number = str(fault.line)
        told.append(f"  {number} | {lines[fault.line - 1].rstrip()}")
        if fault.column:
            carets = "^" * max(1, fault.end - fault.column)
            told.append(f"  {' ' * len(number)} | {' ' * (fault.column - 1)}{carets}")
    return "\n".join(told + [f"  note: {note}" for note in fault.notes])
