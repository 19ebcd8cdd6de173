"""Where in a definition something was said, so that its faults stand where a person can mend them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from builder.language.hearing import Call
from builder.language.text.source import Sources, Span, locate, locate_keyword
from builder.project import Project
from bundle_format.release.fields import Sealed
from bundle_format.release.late import Known, samples
from bundle_format.release.model import Parameter
from bundle_format.release.value import Fault, Path

SAMPLE_KEY: Final = b"sample"
"""Seals the sample secrets of a build; no site has it."""


@dataclass(frozen=True)
class Context:
    """What all words of one run share; it was `whole` unless it broke off.

    `product` is also the network of containers that name none. `said` has each call by word and name, `known` a sample
    value for each parameter, `trails` the ways by which fields of a call's tree lead back to what was written, `faulty`
    the fields of it whose faults are told already.
    """

    sources: Sources
    project: Project
    said: Mapping[tuple[str, str], Call]
    whole: bool
    product: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    known: Known = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    trails: dict[tuple[str, str], dict[Path, Path]] = field(default_factory=dict)
    faulty: dict[tuple[str, str], set[str | int]] = field(default_factory=dict)


def sample_values(parameters: Mapping[str, Parameter]) -> Known:
    """A plausible value for each parameter; a secret is sealed, so that it is refused where anybody could read it."""
    return {
        name: Sealed(str(value), SAMPLE_KEY) if parameters[name].type == "secret" else value
        for name, value in samples(parameters).items()
    }


@dataclass(frozen=True, slots=True)
class Spot:
    """A piece of what a word was given: the way leads to it from the call, as in `("env", "PATH")`."""

    call: Call
    context: Context
    way: Path = ()

    def at(self, *steps: str | int) -> "Spot":
        """A piece of this piece."""
        return Spot(self.call, self.context, (*self.way, *steps))

    def lead(self, *field: str | int) -> None:
        """Let a field of the tree lead back to this piece."""
        self.context.trails.setdefault((self.call.word, self.call.name), {})[field] = self.way

    def mark(self, field: str | int) -> None:
        """Remember that the faults of a field of the call are told."""
        self.context.faulty.setdefault((self.call.word, self.call.name), set()).add(field)

    def is_marked(self, field: str | int) -> bool:
        """Whether the faults of a field of the call are told already."""
        return field in self.context.faulty.get((self.call.word, self.call.name), ())

    def wrong(self, message: str) -> None:
        """Tell what is wrong with this piece, by its name: `container 'web': env.PATH: must be text`."""
        self.fault(f"{self.call.told}: {'.'.join(map(str, self.way))}: {message}")

    def fault(self, message: str, *notes: str) -> None:
        """Tell a fault at this piece."""
        self.context.faults.append(self.made(message, *notes))

    def keyword_fault(self, keyword: str, message: str) -> None:
        """Tell a fault at the name of an argument."""
        self.context.faults.append(self._made(message, (), keyword))

    def made(self, message: str, *notes: str) -> Fault:
        """A fault at this piece, not yet told."""
        return self._made(message, notes)

    def _made(self, message: str, notes: tuple[str, ...], keyword: str | None = None) -> Fault:
        place = self.call.place
        source = self.context.sources[place.path]
        call = source.call_at(place.line, self.call.word, self.call.name)
        if call is None:
            span = Span(place.line, place.column, place.column + 1)
        elif keyword is None:
            span = locate(source, call, self.way)
        else:
            span = locate_keyword(source, call, self.way, keyword)
        return Fault(message, place.path, span.line, span.column, span.end, (*place.callers, *notes))
