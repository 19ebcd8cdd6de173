"""A definition file as text and as tree: where its calls and their arguments stand, what it loads."""

import ast
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from builder.language.prelude.words import words
from bundle_format.release.value import Fault, FaultyError, Path


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of one line; columns count code points from 1, `end` lies behind the last one."""

    line: int
    column: int
    end: int


@dataclass(frozen=True, slots=True)
class Load:
    """A `load()` at the top of a file: its label and where that stands."""

    label: str
    span: Span


@dataclass(frozen=True)
class Source:
    """One file of a definition, parsed; Starlark's grammar is within Python's, so Python's parser gives the places."""

    path: str
    text: str
    tree: ast.Module

    @cached_property
    def lines(self) -> list[str]:
        """The text line by line, as editors count them."""
        return self.text.split("\n")

    @cached_property
    def _calls(self) -> dict[int, list[ast.Call]]:
        calls: dict[int, list[ast.Call]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                calls.setdefault(node.lineno, []).append(node)
        return calls

    def span(self, node: ast.expr | ast.keyword) -> Span:
        """Where `node` stands, cut at the end of its first line."""
        line = self.lines[node.lineno - 1]
        column = _code_points(line, node.col_offset)
        whole = node.end_lineno == node.lineno and node.end_col_offset is not None
        end = _code_points(line, node.end_col_offset or 0) if whole else len(line.rstrip())
        return Span(node.lineno, column + 1, max(end, column + 1) + 1)

    def keyword_span(self, keyword: ast.keyword) -> Span:
        """Where the name of a keyword argument stands."""
        start = self.span(keyword)
        return Span(start.line, start.column, start.column + len(keyword.arg or "**"))

    def call_at(self, line: int, word: str, name: str | None = None) -> ast.Call | None:
        """The call of `word` that begins on `line`; of several, the one whose first argument is the text `name`."""
        found = [call for call in self._calls.get(line, []) if _called(call) == word]
        named = [call for call in found if call.args and _literal(call.args[0]) == name]
        return next(iter(named or found), None)

    def says_twice(self, line: int, word: str) -> bool:
        """Whether more than one call of `word` begins on `line`."""
        return sum(_called(call) == word for call in self._calls.get(line, [])) > 1

    def call_from(self, line: int, column: int) -> ast.Call | None:
        """The outermost call whose text begins just there."""
        found = [call for call in self._calls.get(line, []) if self.span(call).column == column]
        return next(iter(found), None)

    def loads(self) -> Iterator[Load]:
        """The files that this one loads, in order."""
        for statement in self.tree.body:
            match statement:
                case ast.Expr(ast.Call(ast.Name("load"), [ast.Constant(str(label)) as node, *_])):
                    yield Load(label, self.span(node))


def read_source(path: str, content: bytes) -> Source:
    """Parse one file; FaultyError where it is no text or no program.

    Editors on Windows may put a byte order mark before it, and end its lines in their own way: neither counts.
    """
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's advice about its own strings
            return Source(path, text, ast.parse(text))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FaultyError(Fault("the file is not UTF-8 text", path, line, 1)) from error
    except SyntaxError as error:
        line, column = error.lineno or 1, max(error.offset or 1, 1)
        raise FaultyError(Fault(f"cannot parse: {error.msg}", path, line, column)) from error
    except (RecursionError, MemoryError) as error:
        raise FaultyError(Fault("cannot parse: nested too deeply", path, 1, 1)) from error
    except ValueError as error:
        raise FaultyError(Fault(f"cannot parse: {error}", path, 1, 1)) from error


def locate(source: Source, call: ast.Call, way: Path = ()) -> Span:
    """The narrowest piece of the source that `way` leads to, such as `("env", "PATH")` of a container's call."""
    node = _followed(call, way)
    return source.span(node.func if isinstance(node, ast.Call) else node)


def locate_keyword(source: Source, call: ast.Call, way: Path, keyword: str) -> Span:
    """The name of an argument of the call that `way` leads to, or as near as one gets."""
    node = _followed(call, way)
    for found in node.keywords if isinstance(node, ast.Call) else ():
        if found.arg == keyword:
            return source.keyword_span(found)
    return locate(source, call, way)


def _followed(call: ast.Call, way: Path) -> ast.expr:
    node: ast.expr = call
    for step in way:
        inner = _member(node, step)
        if inner is None:
            break
        node = inner
    return node


def _member(node: ast.expr, step: str | int) -> ast.expr | None:
    match node, step:
        case ast.Call(), str():
            return _argument(node, step)
        case ast.Dict(), str():
            return next(
                (value for key, value in zip(node.keys, node.values, strict=True) if _literal(key) == step), None
            )
        case ast.List() | ast.Tuple(), int() if step < len(node.elts):
            return node.elts[step]
    return None


def _argument(call: ast.Call, name: str) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    word = words().get(_called(call) or "")
    position = word.positional.index(name) if word and name in word.positional else len(call.args)
    return call.args[position] if position < len(call.args) else None


def _called(call: ast.Call) -> str | None:
    return call.func.id if isinstance(call.func, ast.Name) else None


def _literal(node: ast.expr | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _code_points(line: str, offset: int) -> int:
    # Python's parser counts UTF-8 bytes, people and editors count characters.
    return offset if line.isascii() else len(line.encode("utf-8")[:offset].decode("utf-8", "ignore"))


Sources = Mapping[str, Source]
"""The files of a definition by path below the project's folder."""
