"""Starlark's error texts in our words: what is wrong, at the narrowest place, and who called it.

starlark-pyo3 gives errors as text alone. The text's form is pinned with its version and by the golden corpus.
"""

import ast
import builtins
import difflib
import re
from dataclasses import replace
from typing import Final

from builder.language.hearing import callers, frames
from builder.language.prelude.words import types, words
from builder.language.text.source import Source, Sources, Span
from builder.language.tokens import LATE_TEXT
from bundle_format.release.value import Fault

_WHAT = re.compile(r"^error: (.*?)(?=\n\s*-->|\Z)", re.MULTILINE | re.DOTALL)
_WHERE = re.compile(r"^\s*--> (.+?):(\d+):(\d+)$", re.MULTILINE)
_CARETS = re.compile(r"^\s+\|\s\s*(\^+)$", re.MULTILINE)
_ARGUMENT = re.compile(r"for argument `(\w+)`|Found `(\w+)` extra named parameter")
_UNDEFINED = re.compile(r"Variable `(\w+)` not found")

MAX_TEXT: Final = 8000
"""Of a longer error, as by `fail("x" * 1000000)`, beginning and end are told."""

STARLARK_NAMES: Final = (
    *("abs", "all", "any", "bool", "chr", "dict", "dir", "enumerate", "fail", "float", "getattr", "hasattr", "hash"),
    *("int", "json", "len", "list", "max", "min", "ord", "range", "repr", "reversed", "sorted", "str", "struct"),
    *("tuple", "type", "typing", "zip"),
)
"""What the language has of its own, beside our words."""

_REWORDED = (
    (r"Evaluation cancelled.*", "evaluation took more than {max_steps:,} steps"),
    (r"Parse error: unexpected (.*?) here, expected .*", r"cannot parse: unexpected \1"),
    (r"Parse error: ", "cannot parse: "),
    (r"call to `?(?:\S+\.star\.)?(\w+)`?", r"call to \1()"),
    (r"^fail: ", ""),
    (r"Operation `call\(\)` not supported on type `\w+`", "this is no function: does a variable hide a word here?"),
    (r"Not a valid identifier: `(.*)`", r"an f-string takes plain names, not `\1`: give the value a name first"),
    (r"Operation `serde::serialize` not supported on type `function`", "a function cannot be an argument of a word"),
    (r"Cycle detected when serializing value of type `(\w+)` to JSON", r"a \1 that contains itself cannot be given"),
    (r"Local variable `(\w+)` referenced before assignment", r"`\1` is used before it has a value"),
)


def in_our_words(text: str, sources: Sources, max_steps: int) -> Fault:
    """One error of Starlark as a fault of the definition."""
    if len(text) > MAX_TEXT:
        text = f"{text[: MAX_TEXT // 2]}...{text[-MAX_TEXT // 2 :]}"
    stack = frames(text)
    found = _WHERE.search(text)
    what = _WHAT.search(text)
    message = _reworded(what[1] if what else text, max_steps)
    if found and found[1] in sources:
        carets = _CARETS.search(text)
        span = Span(int(found[2]), int(found[3]), int(found[3]) + len(carets[1]) if carets else 0)
        path = found[1]
        outer = stack[:-1] if stack and (stack[-1].path, stack[-1].line) == (path, span.line) else stack
    else:
        inner, outer = stack[-1], stack[:-1]
        path, span = inner.path, Span(inner.line, 1, 0)
    span = _argument_span(sources[path], span, message) or span
    return Fault(message, path, span.line, span.column, span.end, callers(outer))


def undefined_name(fault: Fault, source: Source) -> Fault:
    """The fault with the nearest name that is defined, out of ours and the file's own."""
    found = _UNDEFINED.search(fault.message)
    if not found:
        return fault
    name = found[1]
    message = f"{name!r} is not defined"
    near = difflib.get_close_matches(name, [*words(), *types(), *STARLARK_NAMES, *_bound(source)], 1)
    if hasattr(builtins, name):
        message += ": Starlark is like Python, but does not have it"
    elif near:
        message += f"; did you mean {near[0]!r}?"
    return replace(fault, message=message, end=fault.column + len(name))


def _reworded(message: str, max_steps: int) -> str:
    for theirs, ours in _REWORDED:
        message = re.sub(theirs, ours.format(max_steps=max_steps), message, flags=re.DOTALL)
    return LATE_TEXT.sub(r'param("\1")', message)


def _argument_span(source: Source, span: Span, message: str) -> Span | None:
    """The argument itself, where Starlark points at the whole call of a definition's own function."""
    found = _ARGUMENT.search(message)
    if not found:
        return None
    call = source.call_from(span.line, span.column)
    for keyword in call.keywords if call else ():
        if keyword.arg == found[1]:
            return source.span(keyword.value)
        if keyword.arg == found[2]:
            return source.keyword_span(keyword)
    return None


def _bound(source: Source) -> set[str]:
    """Names that the file gives to something."""
    names = {
        node.id for node in ast.walk(source.tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return names | {node.name for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef)}
