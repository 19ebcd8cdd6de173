"""What every value read at a door has in common: strict, frozen, no key unknown, and all its faults told at once."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError


class Value(BaseModel):
    """A frozen value; reading reports all faults at once and never echoes what it read (it may be a secret)."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, arbitrary_types_allowed=True
    )


Path = tuple[str | int, ...]
"""The way from the top of a tree to one of its members."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that a person has to mend: where it is (lines and columns count from 1; 0 is unknown) and what.

    `end` is the column behind its last character; `notes` say what else belongs to it, such as the callers.
    """

    message: str
    file: str = ""
    line: int = 0
    column: int = 0
    end: int = 0
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        numbers = "".join(f":{number}" for number in (self.line, self.column) if number)
        return f"{self.file}{numbers}: error: {self.message}" if self.file else f"error: {self.message}"


class FaultyError(ValueError):
    """Faults that were found together; whoever knows what was read turns them into a FlotoError."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(told(faults))
        self.faults = faults


def told(faults: Iterable[Fault]) -> str:
    """The faults one a line, in the order of their places, each once."""
    return "\n".join(
        map(str, sorted(set(faults), key=lambda fault: (fault.file, fault.line, fault.column, str(fault))))
    )


def faults_of(error: ValidationError) -> list[tuple[Path, str]]:
    """Where and what pydantic found, in our words: never the value itself."""
    return [
        (tuple(found["loc"]), _in_our_words(found["msg"]))
        for found in error.errors(include_input=False, include_url=False, include_context=False)
    ]


_WORDS = {
    "Input should be": "must be",
    "String should": "must",
    "Extra inputs are not permitted": "unknown key",
    "Field required": "missing",
    "Value error, ": "",
    "Assertion failed, ": "",
    "must be a valid string": "must be text",
    "must be a valid integer": "must be a whole number",
    "must be a valid boolean": "must be true or false",
    "must be a valid dictionary": "must be a table",
    "must be a valid tuple": "must be a list",
}


def _in_our_words(message: str) -> str:
    for theirs, ours in _WORDS.items():
        message = message.replace(theirs, ours)
    return message
