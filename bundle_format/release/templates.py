"""Templates: Jinja2 in a sandbox that knows its declared variables and nothing else, the same on builder and site.

The bounds below stop loops and recursions that run away; a template is signed with its release and no stranger's text.
"""

import difflib
import json
import re
import shlex
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import replace
from typing import Any, Final

from jinja2 import StrictUndefined, TemplateSyntaxError, meta, nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from bundle_format.release.fields import Sealed
from bundle_format.release.late import as_text
from bundle_format.release.value import Fault, FaultyError

MAX_STEPS: Final = 250_000
"""Turns of all loops, and calls, of one rendering."""

MAX_SIZE: Final = 16 << 20
"""Characters that one rendering may make."""

MAX_BITS: Final = 1024
"""Size of the largest product."""

GLOBALS: Final = ("dict", "namespace", "range")
_NOT_OURS = ("pprint", "random", "tojson", "urlize", "xmlattr")
_LONERS = (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"})
_LONER = "a template stands alone: no include, import or extends"


def template_faults(file: str, text: str, declared: Collection[str]) -> list[Fault]:
    """What is wrong with a template before any value is known: its grammar, its filters, names it was not given."""
    sandbox = _Sandbox()
    try:
        tree = sandbox.parse(text)
        faults = [
            *(Fault(_LONER, file, loner.lineno) for loner in tree.find_all(_LONERS)),
            *_unknown(file, text, tree.find_all(nodes.Filter), "filter", sandbox.filters),
            *_unknown(file, text, tree.find_all(nodes.Test), "test", sandbox.tests),
        ]
        sandbox.compile(text)
    except TemplateSyntaxError as error:
        return [_syntax_fault(file, error)]
    undeclared = meta.find_undeclared_variables(tree) - set(declared) - set(GLOBALS)
    told = f"is not among its vars ({', '.join(sorted(declared)) or 'it has none'})"
    return faults + [
        _pointed(Fault(f"{name.name!r} {told}", file, name.lineno), text, name.name, declared)
        for name in tree.find_all(nodes.Name)
        if name.name in undeclared
    ]


def render(file: str, text: str, variables: Mapping[str, Any], key: bytes) -> str | Sealed:
    """The finished text, Sealed under the site's `key` where `variables` hold a secret.

    FaultyError, at the template's line and without any secret, where an expression fails or a bound is passed.
    """
    outcome = _attempt(file, text, _opened(variables, Sealed.reveal))
    if isinstance(outcome, str):
        return Sealed(outcome, key) if _holds_secret(variables) else outcome
    if _holds_secret(variables):
        outcome = _fault_without_secrets(file, text, variables, outcome.line)
    raise FaultyError(outcome)


def _attempt(file: str, text: str, variables: Mapping[str, Any]) -> str | Fault:
    sandbox = _Sandbox()
    try:
        return sandbox.finish(text, variables)
    except TemplateSyntaxError as error:
        return _syntax_fault(file, error)
    except RecursionError as error:
        return Fault("a macro or a loop calls itself without end", file, _line_of(error))
    except Exception as error:  # noqa: BLE001  # whatever an expression raises is the template's fault
        return Fault(str(error) or type(error).__name__, file, _line_of(error))


def _fault_without_secrets(file: str, text: str, variables: Mapping[str, Any], line: int) -> Fault:
    # An expression's error may quote a secret in any disguise, so the fault that is told comes from a stand-in.
    outcome = _attempt(file, text, _opened(variables, lambda _: "SECRET"))
    return (
        outcome if isinstance(outcome, Fault) else Fault("fails for the value of a secret, not shown here", file, line)
    )


class _Sandbox(ImmutableSandboxedEnvironment):
    """One rendering's sandbox: it counts what the template does."""

    intercepted_binops = frozenset({"*", "**"})

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            autoescape=False,  # configuration files, not web pages: the filters escape what each language needs
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=self._finalize,
        )
        self.globals = {name: self.globals[name] for name in GLOBALS}
        for name in _NOT_OURS:
            del self.filters[name]
        self.filters |= {"json": _json, "sh": _sh, "xml": _xml, "properties": _properties, _COUNTED: self._counted}
        self._steps = 0
        self._size = 0

    def finish(self, text: str, variables: Mapping[str, Any]) -> str:
        """Render piece by piece, so that an endless text is stopped while it grows."""
        pieces = []
        size = 0
        for piece in self.from_string(text).generate(variables):
            size += len(piece)
            _bound(size, MAX_SIZE, f"the text grows over {MAX_SIZE:,} characters")
            pieces.append(piece)
        return "".join(pieces)

    def call(self, context: Context, target: Any, /, *arguments: Any, **named: Any) -> Any:
        self._step(1)
        return super().call(context, target, *arguments, **named)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        for sequence, times in ((left, right), (right, left)):
            if isinstance(sequence, str | list | tuple) and isinstance(times, int):
                _bound(len(sequence) * times, MAX_SIZE, f"the text grows over {MAX_SIZE:,} characters")
        if isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * right if operator == "**" else left.bit_length() + right.bit_length()
            _bound(bits, MAX_BITS, f"a number grows over {MAX_BITS} bits")
        return super().call_binop(context, operator, left, right)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        return _CountLoops().visit(super()._parse(source, name, filename))  # type: ignore[no-any-return]

    def _finalize(self, value: Any) -> Any:
        if isinstance(value, str):
            self._size += len(value)
            _bound(self._size, MAX_SIZE, f"the text grows over {MAX_SIZE:,} characters")
        elif isinstance(value, float):
            raise TypeError("a number with a fraction has no text of its own: divide by //, or use the filter 'int'")
        elif value is None or isinstance(value, bool | Mapping | list | tuple):
            raise TypeError(f"{_kind(value)} has no text of its own: choose one, as with the filter 'json'")
        return value

    def _counted(self, sequence: Any) -> Any:
        if hasattr(sequence, "__len__"):
            self._step(len(sequence))
            return sequence
        return self._counted_one_by_one(sequence)

    def _counted_one_by_one(self, sequence: Iterable[Any]) -> Iterator[Any]:
        for member in sequence:
            self._step(1)
            yield member

    def _step(self, count: int) -> None:
        self._steps += count
        _bound(self._steps, MAX_STEPS, f"takes more than {MAX_STEPS:,} steps")


_COUNTED = "counted by the sandbox"


class _CountLoops(NodeTransformer):
    """Leads what each loop goes through past the sandbox's counter."""

    def visit_For(self, loop: nodes.For) -> nodes.For:  # noqa: N802  # the visitor's own naming
        self.generic_visit(loop)
        loop.iter = nodes.Filter(loop.iter, _COUNTED, [], [], None, None, lineno=loop.iter.lineno)
        return loop


def _bound(size: int, limit: int, message: str) -> None:
    if size > limit:
        raise ValueError(message)


def _json(value: Any) -> str:
    """A value as JSON, which YAML and JavaScript read too."""
    return json.dumps(value, ensure_ascii=False)


def _sh(value: Any) -> str:
    """One word for a POSIX shell."""
    return shlex.quote(_scalar(value))


def _xml(value: Any) -> str:
    """Text or an attribute's value for XML."""
    return _scalar(value).translate(_ENTITIES)


def _properties(value: Any) -> str:
    """A key or value for Java, as `java.util.Properties.store` writes it."""
    text = re.sub(r"[\\:=#! ]", r"\\\g<0>", _scalar(value))
    for raw, written in (("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\f", "\\f")):
        text = text.replace(raw, written)
    units = text.encode("utf-16-be")
    codes = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
    return "".join(chr(code) if 0x20 <= code <= 0x7E else f"\\u{code:04X}" for code in codes)


def _scalar(value: Any) -> str:
    if not isinstance(value, str | int):
        raise TypeError(f"{_kind(value)} is no single value")
    return as_text(value)


def _kind(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "a truth value"
        case Mapping():
            return "a table"
        case list() | tuple():
            return "a list"
    return f"a {type(value).__name__}"


def _unknown(
    file: str, text: str, used: Iterable[nodes.Filter | nodes.Test], kind: str, known: MutableMapping[str, Any]
) -> list[Fault]:
    strange = [one for one in used if one.name not in known]
    faults = [
        _pointed(Fault(f"no {kind} named {one.name!r}", file, one.lineno), text, one.name, known) for one in strange
    ]
    # So that the rest of the template is judged too.
    known.update({one.name: _json for one in strange})
    return faults


def _pointed(fault: Fault, text: str, name: str, known: Iterable[str]) -> Fault:
    found = re.search(rf"\b{re.escape(name)}\b", re.split(r"\r\n|\r|\n", text)[fault.line - 1])
    return replace(fault, message=fault.message + _did_you_mean(name, known), column=found.start() + 1 if found else 0)


def _syntax_fault(file: str, error: TemplateSyntaxError) -> Fault:
    return Fault((error.message or "cannot be read").rstrip("."), file, error.lineno)


def _did_you_mean(wrong: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(wrong, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _line_of(error: Exception) -> int:
    # Jinja2 rewrites the traceback so that frames of the template carry the template's own lines.
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    return (lines[-1] if lines else None) or 0


def _holds_secret(tree: Any) -> bool:
    match tree:
        case Mapping():
            return any(map(_holds_secret, tree.values()))
        case list() | tuple():
            return any(map(_holds_secret, tree))
    return isinstance(tree, Sealed)


def _opened(tree: Any, reveal: Callable[[Sealed], str]) -> Any:
    match tree:
        case Sealed():
            return reveal(tree)
        case Mapping():
            return {name: _opened(member, reveal) for name, member in tree.items()}
        case list() | tuple():
            return tuple(_opened(member, reveal) for member in tree)
    return tree
