"""Starlark's call stacks: which lines of the definition led to a word."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from builder.language.evaluation import Place
from builder.language.source import Sources

_FRAME = re.compile(r"^  \* (.+?):(\d+), in (.+)$", re.MULTILINE)
_FIRST_TEXT = re.compile(r'\[\[("(?:[^"\\]|\\.)*")')
MAX_CALLERS = 5


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of a stack: where, and in which function."""

    path: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"called from {self.path}:{self.line}" + (
            "" if self.function == "<module>" else f", in {self.function.rpartition('.')[2]}"
        )


def frames(stack: str) -> list[Frame]:
    """The frames of the definition's own files, outermost first; the prelude's are ours."""
    found = (Frame(path, int(line), function) for path, line, function in _FRAME.findall(stack))
    return [frame for frame in found if not frame.path.startswith("@")]


def callers(stack: Sequence[Frame]) -> tuple[str, ...]:
    """Notes on who called, innermost first."""
    return tuple(dict.fromkeys(str(frame) for frame in reversed(stack)))[:MAX_CALLERS]


def called_from(stack: str, word: str, arguments: str, sources: Sources) -> Place:
    """Where a word was called; Starlark tells the line, the source itself the column."""
    *outer, inner = frames(stack)
    source = sources[inner.path]
    call = source.call_at(inner.line, word, _first_text(arguments))
    column = 1 if call is None else source.span(call).column
    return Place(path=inner.path, line=inner.line, column=column, callers=callers(outer))


def _first_text(arguments: str) -> str | None:
    """The first of the arguments that are given without names, from their JSON."""
    found = _FIRST_TEXT.match(arguments)
    return found and json.loads(found[1])
