"""Every variant of a definition: one run for each set of choices, and proof that no late value decides anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from builder.language.meaning.meaning import Meaning, read_meaning
from builder.language.running.interpreter import Interpreter
from builder.language.running.listening import ForkError, Listener
from builder.language.running.parametricity import late_faults, named_late
from builder.language.text.source import Sources
from builder.project import Project
from bundle_format.release.model import Scalar
from bundle_format.release.value import Fault, FaultyError

MAX_VARIANTS: Final = 64


@dataclass(frozen=True, slots=True)
class VariantMeaning:
    """What a definition says for one set of choices."""

    when: Mapping[str, Scalar]
    meaning: Meaning


def every_variant(
    interpreter: Interpreter, sources: Sources, project: Project, *, trials: bool
) -> list[VariantMeaning]:
    """Run the definition for every reachable set of choices, in the order of their options.

    With `trials` each is run again with values for what is late. FaultyError where there are more than MAX_VARIANTS.
    """
    waiting: list[dict[str, Scalar]] = [{}]
    done: list[VariantMeaning] = []
    while waiting:
        chosen = waiting.pop(0)
        try:
            done.append(VariantMeaning(chosen, _one_variant(interpreter, chosen, sources, project, trials)))
        except ForkError as fork:
            waiting[:0] = [{**chosen, fork.call.name: option} for option in fork.options]
            if len(waiting) + len(done) > MAX_VARIANTS:
                place = fork.call.place
                message = f"more than {MAX_VARIANTS} variants; turn a choice() into a param()"
                raise FaultyError(Fault(message, place.path, place.line, place.column)) from None
    return done


def _one_variant(
    interpreter: Interpreter, chosen: dict[str, Scalar], sources: Sources, project: Project, trials: bool
) -> Meaning:
    listener = Listener(chosen)
    try:
        interpreter.run(listener.tell)
    except FaultyError as error:
        meaning = read_meaning(listener.calls, chosen, sources, project, whole=False)
        meaning.faults.extend(named_late(fault, interpreter, chosen, meaning.parameters) for fault in error.faults)
        return meaning
    meaning = read_meaning(listener.calls, chosen, sources, project, whole=True)
    if trials and not meaning.faults:
        meaning.faults.extend(late_faults(interpreter, listener.calls, chosen, meaning.parameters, sources))
    return meaning
