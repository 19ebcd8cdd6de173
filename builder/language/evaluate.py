"""From a project's folder to its Evaluation, through a child process that a hostile definition cannot leave."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Final

from builder.language.diagnostics import FaultyDefinitionError
from builder.language.evaluation import Evaluation
from builder.language.limits import Limits
from bundle_format.errors import DefinitionError
from bundle_format.release.value import Fault

NO_MEMORY: Final = 3
DEFAULT: Final = Limits()
_HINT: Final = "Make lists and texts smaller, and loops shorter; nothing was built."


def evaluate(project: Path, limits: Limits = DEFAULT) -> Evaluation:
    """Every variant of the definition in the folder `project`.

    FaultyDefinitionError with every fault that can be told apart, DefinitionError where the evaluator was stopped.
    """
    command = [
        sys.executable,
        "-I",
        "-m",
        "builder.language.worker",
        str(project.absolute()),
        json.dumps(asdict(limits)),
    ]
    kind, _, told = _output_of(command, limits).partition(b"\n")
    if kind == b"evaluation":
        return Evaluation.model_validate_json(told)
    outcome = json.loads(told)
    match outcome:
        case {"faults": faults, "text": text}:
            raise FaultyDefinitionError([Fault(**{**fault, "notes": tuple(fault["notes"])}) for fault in faults], text)
        case {"message": message, "hint": hint}:
            raise DefinitionError(message, hint)
    raise RuntimeError(f"the evaluator failed:\n{outcome}")


def _output_of(command: list[str], limits: Limits) -> bytes:
    """What the child wrote; DefinitionError, saying why, where it was stopped or broke down."""
    # Without environment nothing of this machine reaches a definition; Windows starts no process without its root.
    environment = {"SYSTEMROOT": os.environ["SYSTEMROOT"]} if sys.platform == "win32" else {}
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as child:
        assert child.stdout is not None
        rung = threading.Event()
        clock = threading.Timer(limits.clock, _end, (child, rung))
        clock.start()
        try:
            output = child.stdout.read(limits.output + 1)
            if len(output) > limits.output:
                raise DefinitionError(f"the definition makes more than {limits.output >> 20} MiB of release", _HINT)
            ended = child.wait()
        finally:
            clock.cancel()
            child.kill()
    if ended != 0:
        why = f"took longer than {limits.clock} s" if rung.is_set() else _why(ended, limits)
        raise DefinitionError(f"the definition {why}", _HINT)
    return output


def _end(child: subprocess.Popen[bytes], rung: threading.Event) -> None:
    rung.set()
    child.kill()


def _why(ended: int, limits: Limits) -> str:
    if ended == NO_MEMORY or -ended == signal.SIGABRT:  # starlark-rust aborts where memory is refused
        return f"needs more than {limits.memory >> 20} MB"
    if sys.platform != "win32" and -ended == signal.SIGXCPU:
        return f"took longer than {limits.processor} s of processor time"
    return f"crashed the evaluator (exit {ended}): is something nested too deeply?"
