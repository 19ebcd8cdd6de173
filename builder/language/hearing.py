"""One word as a definition said it: its arguments, and where in which file that was."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from builder.language.evaluation import Place
from builder.language.prelude.words import words
from builder.language.text.source import Sources

MAX_CALLERS: Final = 5

_FRAME = re.compile(r"^  \* (.+?):(\d+), in (.+)$", re.MULTILINE)
_DECODER: Final = json.JSONDecoder(parse_float=Decimal)


@dataclass(frozen=True, slots=True)
class Call:
    """A word that was said: `given` without names, `named` with; `text` is all of it as the prelude told it."""

    word: str
    name: str
    place: Place
    given: Sequence[Any]
    named: Mapping[str, Any]
    text: str

    @property
    def told(self) -> str:
        """How messages name it: `container 'web'`."""
        return f"{self.word} {self.name!r}" if self.name else f"{self.word}()"

    @property
    def first(self) -> Any:
        """Its first argument, which is its name where it has one."""
        return _first(self.word, self.given, self.named)

    @property
    def whereabouts(self) -> str:
        """How notes name its place."""
        return f"{self.place.path}:{self.place.line}:{self.place.column}"

    def says_the_same(self, other: "Call") -> bool:
        """Whether both say the same, wherever that was."""
        return (self.given, self.named) == (other.given, other.named)


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of a call stack: where, and in which function."""

    path: str
    line: int
    function: str

    def __str__(self) -> str:
        inside = "" if self.function == "<module>" else f", in {self.function.rpartition('.')[2]}"
        return f"called from {self.path}:{self.line}{inside}"


class Hearing:
    """Understands what the prelude tells of each word; places are found once for each stack."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._places: dict[tuple[str, str, str], Place] = {}

    def call(self, text: str) -> Call:
        """The word that `text` tells of: the JSON of its name, what it was given, and Starlark's call stack."""
        word, given, named, stack = _DECODER.decode(text)
        first = _first(word, given, named)
        name = first if isinstance(first, str) else ""
        return Call(word, name, self._place(stack, word, name), given, named, text)

    def _place(self, stack: str, word: str, name: str) -> Place:
        # Starlark tells lines alone; where a line says a word twice, its name decides.
        known = self._places.get((stack, word, ""))
        if known:
            return known
        *outer, inner = frames(stack)
        source = self._sources[inner.path]
        key = (stack, word, name if source.says_twice(inner.line, word) else "")
        if key not in self._places:
            call = source.call_at(inner.line, word, name)
            column = 1 if call is None else source.span(call).column
            self._places[key] = Place(path=inner.path, line=inner.line, column=column, callers=callers(outer))
        return self._places[key]


def _first(word: str, given: Sequence[Any], named: Mapping[str, Any]) -> Any:
    return given[0] if given else named.get(words()[word].positional[0])


def frames(stack: str) -> list[Frame]:
    """The frames of the definition's own files, outermost first; the prelude's are ours."""
    found = (Frame(path, int(line), function) for path, line, function in _FRAME.findall(stack))
    return [frame for frame in found if not frame.path.startswith("@")]


def callers(stack: Sequence[Frame]) -> tuple[str, ...]:
    """Notes on who called, innermost first."""
    return tuple(dict.fromkeys(str(frame) for frame in reversed(stack)))[:MAX_CALLERS]
