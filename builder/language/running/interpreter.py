"""Running a definition's files: the only module that knows starlark.

starlark-rust may abort or overflow its stack on hostile input, so this runs in the worker's process alone.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

import starlark

from builder.language.hearing import Call, Hearing
from builder.language.prelude.working import LABEL, visible_names, working_prelude
from builder.language.running.starlark_errors import in_our_words, undefined_name
from builder.language.text.loading import ENTRY, load_order
from builder.language.text.source import Sources
from bundle_format.release.value import Fault, FaultyError

MAX_DEPTH: Final = 100
TICKS: Final = 1000
"""Starlark asks whether to stop once in so many steps: a budget that does not depend on the machine's speed."""

Tell = Callable[[Call], Mapping[str, Any]]
"""What a word is told to; the answer fills its record."""

_LIBRARY = starlark.LibraryExtension
_STUB = f"load({', '.join(f'{chr(34)}{name}{chr(34)}' for name in (LABEL, *visible_names()))})"


def grammar_faults(sources: Sources) -> list[Fault]:
    """What Starlark's grammar lacks of Python's, in each of the files."""
    faults = []
    for path, source in sources.items():
        try:
            starlark.parse(path, source.text, _dialect())
        except starlark.StarlarkError as error:
            faults.append(in_our_words(str(error), sources, 0))
    return faults


class Interpreter:
    """A definition that Starlark has parsed, ready to be run any number of times."""

    def __init__(self, sources: Sources, max_steps: int) -> None:
        """The sources parse (`grammar_faults`); FaultyError with every name in them that is not defined."""
        self._sources = sources
        self._max_steps = max_steps
        self._dialect = _dialect()
        self._globals = starlark.Globals.extended_by([_LIBRARY.StructType, _LIBRARY.Json, _LIBRARY.Typing])
        self._stub = starlark.parse("@floto//stub.star", _STUB, self._dialect)
        self._order = [source.path for source in load_order(sources)]
        self._trees = {path: starlark.parse(path, source.text, self._dialect) for path, source in sources.items()}
        self._check_names()

    def run(self, tell: Tell) -> None:
        """Run the definition once; FaultyError where it fails, or whatever `tell` raises."""
        run = _Run(self._sources, self._max_steps, tell)
        loader = starlark.FileLoader(run.frozen.__getitem__)
        run.frozen[LABEL] = self._prelude(run)
        options = starlark.EvalOptions(check_cancelled=run.spend, max_callstack_size=MAX_DEPTH)
        for path in self._order:
            module = starlark.Module()
            starlark.eval(module, self._stub, self._globals, loader)
            try:
                starlark.eval_with(options, module, self._trees[path], self._globals, file_loader=loader)
            except starlark.StarlarkError as error:
                run.fail(error)
            if path != ENTRY:
                run.frozen[f"//{path}"] = module.freeze()

    def _check_names(self) -> None:
        faults = []
        for path, source in self._sources.items():
            tree = starlark.parse(path, f"{source.text}\n{_STUB}\n", self._dialect)
            errors, _, _ = tree.typecheck(self._globals, {})
            found = (in_our_words(str(error), self._sources, self._max_steps) for error in errors)
            faults += [undefined_name(fault, source) for fault in found]
        if faults:
            raise FaultyError(*faults)

    def _prelude(self, run: "_Run") -> starlark.FrozenModule:
        extensions = [_LIBRARY.RecordType, _LIBRARY.Json, _LIBRARY.Typing, _LIBRARY.CallStack]
        module = starlark.Module()
        module.add_callable("_tell", run.told)
        dialect = _dialect()
        starlark.eval(
            module, starlark.parse(LABEL, working_prelude(), dialect), starlark.Globals.extended_by(extensions)
        )
        return module.freeze()


class _Run:
    """What one run keeps: its steps, the modules that are finished, and what a word raised."""

    def __init__(self, sources: Sources, max_steps: int, tell: Tell) -> None:
        self.frozen: dict[str, starlark.FrozenModule] = {}
        self._sources = sources
        self._max_steps = max_steps
        self._tell = tell
        self._hearing = Hearing(sources)
        self._steps = 0
        self._raised: Exception | None = None

    def spend(self) -> bool:
        self._steps += TICKS
        return self._steps > self._max_steps

    def told(self, text: str) -> Mapping[str, Any]:
        # Starlark keeps the text of an exception alone, so the exception itself waits here.
        try:
            return self._tell(self._hearing.call(text))
        except Exception as error:
            self._raised = error
            raise

    def fail(self, error: starlark.StarlarkError) -> NoReturn:
        if self._raised is not None:
            raise self._raised from None
        raise FaultyError(in_our_words(str(error), self._sources, self._max_steps)) from error


def _dialect() -> starlark.Dialect:
    dialect = starlark.Dialect.extended()
    dialect.enable_types = starlark.DialectTypes.ENABLE
    dialect.enable_f_strings = True
    dialect.enable_load_reexport = False
    return dialect
