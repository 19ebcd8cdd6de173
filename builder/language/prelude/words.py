"""The words as they are documented: names, arguments, types, defaults, read from the prelude's files."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

CHAPTERS = ("release", "sources", "texts", "hosts", "containers", "services")


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a word; `default` is its text, None where it must be given."""

    name: str
    type: str
    default: str | None
    doc: str
    positional: bool


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the language; `returns` names a record of handles.star, `None` or `typing.Any`.

    `names` are those of its arguments, `positional` of those that may be given without name, `required` of those that
    have no default.
    """

    name: str
    chapter: str
    summary: str
    text: str
    arguments: tuple[Argument, ...]
    returns: str
    example: str

    names: tuple[str, ...]
    positional: tuple[str, ...]
    required: tuple[str, ...]


def chapter_text(chapter: str) -> str:
    """A file of the prelude."""
    return files("builder.language.prelude").joinpath(f"{chapter}.star").read_text(encoding="utf-8")


def chapter_title(chapter: str) -> str:
    """What a file of the prelude says of itself."""
    return ast.get_docstring(ast.parse(chapter_text(chapter))) or ""


@cache
def words() -> dict[str, Word]:
    """All words by name, in the order of the reference."""
    read = {word.name: word for chapter in CHAPTERS for word in _words_of(chapter)}
    return {name: replace(word, arguments=tuple(_told_in_full(word, read))) for name, word in read.items()}


@cache
def records() -> dict[str, tuple[str, ...]]:
    """The records that words return, with their fields."""
    return {
        node.targets[0].id: tuple(field.arg for field in node.value.keywords if field.arg)
        for node in ast.parse(chapter_text("handles")).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Call)
    }


@cache
def types() -> tuple[str, ...]:
    """All names of handles.star: records and unions of them."""
    return tuple(
        node.targets[0].id
        for node in ast.parse(chapter_text("handles")).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    )


def _words_of(chapter: str) -> Iterator[Word]:
    for node in ast.parse(chapter_text(chapter)).body:
        if isinstance(node, ast.FunctionDef):
            yield _word(node, chapter)


def _told_in_full(word: Word, read: Mapping[str, Word]) -> Iterator[Argument]:
    """The arguments, each with its own words even where the prelude says `as in` another word."""
    for argument in word.arguments:
        elsewhere = re.fullmatch(r"as in `(\w+)\(\)`", argument.doc)
        docs = {other.name: other.doc for other in read[elsewhere[1]].arguments} if elsewhere else {}
        yield replace(argument, doc=docs.get(argument.name, argument.doc))


def _word(node: ast.FunctionDef, chapter: str) -> Word:
    text, _, rest = (ast.get_docstring(node) or "").partition("\n\nArgs:\n")
    told, _, example = rest.partition("\n\nExample:\n")
    docs = dict(re.findall(r"(?m)^    (\w+): (.*)$", told))
    summary, _, text = text.partition("\n\n")
    arguments = tuple(_arguments(node.args, docs))
    return Word(
        name=node.name,
        chapter=chapter,
        summary=summary.replace("\n", " "),
        text=text,
        arguments=arguments,
        returns=ast.unparse(node.returns) if node.returns else "None",
        example="\n".join(line.removeprefix("    ") for line in example.splitlines()),
        names=tuple(argument.name for argument in arguments),
        positional=tuple(argument.name for argument in arguments if argument.positional),
        required=tuple(argument.name for argument in arguments if argument.default is None),
    )


def _arguments(arguments: ast.arguments, docs: dict[str, str]) -> Iterator[Argument]:
    missing = [None] * (len(arguments.args) - len(arguments.defaults))
    defaults = [*missing, *arguments.defaults, *arguments.kw_defaults]
    for position, (argument, default) in enumerate(zip(arguments.args + arguments.kwonlyargs, defaults, strict=True)):
        yield Argument(
            name=argument.arg,
            type=ast.unparse(argument.annotation) if argument.annotation else "typing.Any",
            default=None if default is None else ast.unparse(default).replace("'", '"'),
            doc=docs[argument.arg],
            positional=position < len(arguments.args),
        )
