"""The child process that evaluates one definition: bounded, without environment, one JSON text on its output.

Run as `python -I -m builder.language.worker PROJECT LIMITS`, LIMITS being a JSON object.
"""

import gc
import json
import os
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Final

from builder.language.diagnostics import in_order, shown
from builder.language.evaluation import Evaluation
from builder.language.limits import Limits, confine
from builder.language.running.interpreter import Interpreter, grammar_faults
from builder.language.running.static import static_faults
from builder.language.running.uniting import unite
from builder.language.running.variants import every_variant
from builder.language.text.loading import load_sources
from builder.language.text.source import Sources
from builder.project import Project
from bundle_format.errors import DefinitionError
from bundle_format.release.value import Fault, FaultyError

NO_MEMORY: Final = 3
"""Exit code where memory was refused."""

MAX_RECURSION: Final = 5000


def main(arguments: list[str]) -> int:
    """Evaluate and print a line with the kind of outcome (evaluation, faults, error or bug) and then its JSON."""
    project, limits = Path(arguments[0]), Limits(**json.loads(arguments[1]))
    confine(limits)
    gc.disable()  # it would walk a large release again and again; this process ends soon, and its memory is bounded
    sys.setrecursionlimit(MAX_RECURSION)
    try:
        kind, told = outcome(project, limits)
    except MemoryError:
        return NO_MEMORY
    except Exception:  # noqa: BLE001  # the parent raises it with this traceback
        kind, told = "bug", json.dumps(traceback.format_exc())
    except BaseException as error:  # starlark-rust panics where memory is refused, beyond Exception
        if type(error).__name__ != "PanicException":
            raise
        return NO_MEMORY
    sys.stdout.write(f"{kind}\n{told}")
    return 0


def outcome(root: Path, limits: Limits) -> tuple[str, str]:
    """The kind of outcome of one evaluation, and its JSON."""
    sources: Sources = {}
    try:
        project = Project(root)
        sources, faults = load_sources(project)
        return "evaluation", evaluate_sources(sources, faults, project, limits).model_dump_json(ensure_ascii=True)
    except DefinitionError as error:
        return "error", json.dumps({"message": error.message, "hint": error.hint})
    except FaultyError as error:
        ordered = in_order(error.faults)
        text = "\n".join(shown(fault, _lines(fault, sources, project)) for fault in ordered)
        return "faults", json.dumps({"faults": [asdict(fault) for fault in ordered], "text": text})


def evaluate_sources(sources: Sources, faults: list[Fault], project: Project, limits: Limits) -> Evaluation:
    """Evaluate in this very process; FaultyError with all faults that can be told apart, `faults` of loading too."""
    static = [fault for source in sources.values() for fault in static_faults(source)]
    unreadable = [*faults, *grammar_faults(sources)]
    if unreadable:
        raise FaultyError(*unreadable, *static)
    try:
        interpreter = Interpreter(sources, limits.steps)
        evaluation = unite(every_variant(interpreter, sources, project, trials=not static), sources)
    except FaultyError as error:
        raise FaultyError(*static, *error.faults) from error
    except RecursionError as error:
        raise FaultyError(*static, Fault("the definition is nested too deeply")) from error
    if static:
        raise FaultyError(*static)
    return evaluation


def _lines(fault: Fault, sources: Sources, project: Project) -> list[str]:
    if fault.file in sources:
        return sources[fault.file].lines
    try:
        return project.file(fault.file).read_text(encoding="utf-8").splitlines()
    except (DefinitionError, OSError, UnicodeDecodeError):
        return []


if __name__ == "__main__":
    ended = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(ended)  # taking a large release apart, object by object, would take as long as reading it
