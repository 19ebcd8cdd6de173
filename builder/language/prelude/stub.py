"""What an editor has to know of the language: the words as a Python stub, which pyright reads, and its settings.

Starlark's grammar is within Python's, so an editor's Python support completes and checks definitions.
"""

import json
import textwrap
from collections.abc import Iterator
from typing import Any, Final

from builder.language.prelude.words import CHAPTERS, Argument, Word, chapter_text, chapter_title, records, types, words

STUB_NAME: Final = "__builtins__.pyi"
"""Pyright takes what this file beside a project defines as built into every file of it."""

_HEADING: Final = '''"""The words of floto's definitions, for editors. Written by floto-builder; change nothing here."""

# pyright: reportSelfClsParameterName=false
import typing

def fail(*message: object) -> typing.NoReturn:
    """Stop the evaluation with a message."""

def load(label: str, /, *names: str, **renamed: str) -> None:
    """Take names of another file of the project: `load("//lib/java.star", "java_service")`."""

def struct(**fields: typing.Any) -> typing.Any:
    """A value with the given attributes."""

class json:
    @staticmethod
    def encode(value: typing.Any) -> str: ...
    @staticmethod
    def decode(text: str) -> typing.Any: ...

_Member = typing.TypeVar("_Member", covariant=True)

class ListOf(typing.Protocol[_Member]):
    """A list whose members are read only, so that a list of texts is a list of texts or containers too."""

    def __iter__(self) -> typing.Iterator[_Member]: ...
    def reverse(self) -> None: ...
'''


def builtins_stub() -> str:
    """The text of `__builtins__.pyi`."""
    pieces = [_HEADING, *_types()]
    for chapter in CHAPTERS:
        pieces.append(f"# {chapter_title(chapter)}\n")
        pieces += [_function(word) for word in words().values() if word.chapter == chapter]
    return "\n".join(pieces)


def pyright_settings() -> str:
    """The text of `pyrightconfig.json`: what `load()` binds is unknown to Python."""
    return _as_json(
        {
            "reportUndefinedVariable": "none",
            "reportMissingModuleSource": "none",
            "reportUnusedExpression": "none",
            "reportUnusedCallResult": "none",
        }
    )


def vscode_settings() -> str:
    """The text of `.vscode/settings.json`."""
    return _as_json(
        {
            "files.associations": {"*.star": "python"},
            "python.analysis.diagnosticSeverityOverrides": {"reportUndefinedVariable": "none"},
        }
    )


def _types() -> Iterator[str]:
    # Unions come as they stand in the prelude; a record is a class with the attributes that people may use.
    unions = dict(line.split(" = ", 1) for line in chapter_text("handles").splitlines() if " | " in line)
    for name in types():
        if name in unions:
            yield f"{name}: typing.TypeAlias = {unions[name]}\n"
        else:
            shown = [field for field in records()[name] if field in ("name", "file", "address")]
            body = "".join(f"    {field}: {'typing.Any' if field == 'address' else 'str'}\n" for field in shown)
            yield f"class {name}:\n{body or '    ...' + chr(10)}"


def _function(word: Word) -> str:
    doc = textwrap.indent(f'"""{documentation(word)}"""', "    ")
    return f"{signature(word)}:\n{doc}\n"


def signature(word: Word) -> str:
    """The word as Python writes a function's head, each argument on a line of its own."""
    lines = []
    for argument in word.arguments:
        if not argument.positional and "    *," not in lines:
            lines.append("    *,")
        lines.append(f"    {_declared(argument)},")
    return "\n".join([f"def {word.name}(", *lines, f") -> {word.returns}"])


def documentation(word: Word) -> str:
    """What an editor shows of a word."""
    told = [word.summary, word.text, "Args:\n" + "\n".join(f"    {one.name}: {one.doc}" for one in word.arguments)]
    return "\n\n".join(piece for piece in told if piece) + "\n"


def _declared(argument: Argument) -> str:
    default = "" if argument.default is None else f" = {argument.default}"
    optional = " | None" if argument.default is not None and "None" not in argument.type else ""
    # A union of lists would not take a list that an editor knows more narrowly.
    wide = argument.type.replace("list[", "ListOf[").replace("dict[", "typing.Mapping[")
    return f"{argument.name}: {wide}{optional}{default}"


def _as_json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"
