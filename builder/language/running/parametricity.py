"""Proof by trial that no late value decides anything: the definition says the same once the values are known.

It is testing, not proof: a comparison with a computed value can slip through.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Final

from builder.language.hearing import Call
from builder.language.running.interpreter import Interpreter
from builder.language.running.listening import Listener
from builder.language.running.static import compared_literals
from builder.language.text.source import Sources, Span, locate
from builder.language.tokens import filled
from bundle_format.release.late import samples
from bundle_format.release.model import Parameter, Scalar
from bundle_format.release.value import Fault, FaultyError

MAX_LITERALS: Final = 16


def late_faults(
    interpreter: Interpreter,
    calls: Sequence[Call],
    chosen: Mapping[str, Scalar],
    parameters: Mapping[str, Parameter],
    sources: Sources,
) -> list[Fault]:
    """Where the run that said `calls` would have said something else, had the parameters had values; at most one."""
    for values in _trials(parameters, sources) if parameters else ():
        listener = Listener(chosen, values)
        try:
            interpreter.run(listener.tell)
        except FaultyError as error:
            note = "so it is once the late parameters have values; use choice() for decisions"
            return [replace(fault, notes=(*fault.notes, note)) for fault in error.faults]
        for said, said_then in zip_longest(calls, listener.calls):
            if said is None or said_then is None or not _same(said, said_then, values):
                return [_difference(said, said_then, values, sources)]
    return []


def named_late(
    fault: Fault, interpreter: Interpreter, chosen: Mapping[str, Scalar], parameters: Mapping[str, Parameter]
) -> Fault:
    """The fault with late parameters called so: Starlark calls them records, and other words' results too.

    What is wrong only as long as the parameters have no values is wrong because of them.
    """
    if "`record`" not in fault.message or not parameters:
        return fault
    try:
        interpreter.run(Listener(chosen, samples(parameters)).tell)
    except FaultyError as error:
        if fault in error.faults:
            return fault
    message = fault.message.replace("`record`", "`late parameter`")
    hint = '; print it into text, as in "https://%s/" % domain' if "Operation `+`" in message else ""
    return replace(fault, message=f"{message}: its value is known on site only{hint}")


def _trials(parameters: Mapping[str, Parameter], sources: Sources) -> Iterator[dict[str, Scalar]]:
    typical = samples(parameters)
    yield {name: type(value)() for name, value in typical.items()}
    literals = {literal for source in sources.values() for literal in compared_literals(source)}
    for literal in sorted(literals, key=lambda literal: (str(type(literal)), literal))[:MAX_LITERALS]:
        yield {name: literal if type(value) is type(literal) else value for name, value in typical.items()}


def _same(said: Call, said_then: Call, values: Mapping[str, Scalar]) -> bool:
    expected = filled(said.text, values)
    return expected == said_then.text or json.loads(expected) == json.loads(said_then.text)


def _difference(said: Call | None, said_then: Call | None, values: Mapping[str, Scalar], sources: Sources) -> Fault:
    call = said or said_then
    assert call is not None
    argument = _first_difference(said, said_then, values)
    told = f"{call.told}: {argument}: depends" if argument else f"{call.told} depends"
    source, place = sources[call.place.path], call.place
    node = source.call_at(place.line, call.word, call.name)
    span = locate(source, node, (argument,)) if node else Span(place.line, place.column, 0)
    message = f"{told} on the value of a late param(); use choice() for decisions"
    return Fault(message, place.path, span.line, span.column, span.end, place.callers)


def _first_difference(said: Call | None, said_then: Call | None, values: Mapping[str, Scalar]) -> str:
    """The argument that differs, nothing where it is not the same word that was said."""
    if said is None or said_then is None or (said.word, said.name) != (said_then.word, said_then.name):
        return ""
    _, _, named, _ = json.loads(filled(said.text, values))
    return next((name for name in named if named[name] != said_then.named.get(name)), "")
