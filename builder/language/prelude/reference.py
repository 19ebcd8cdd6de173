"""The reference of the language, written from the prelude itself so that it cannot drift."""

from collections.abc import Iterator
from typing import Final

from builder.language.prelude.words import CHAPTERS, Argument, Word, chapter_title, words

START: Final = """\
project("shop", version="2024.3")
server = host("server", address="192.0.2.10")
debian = image("debian", pull="debian:12")
"""
"""What every example goes on from, unless it names a project itself."""

_HEADING: Final = f"""\
# The words of a definition

Every word with its arguments and an example. [guide.md](guide.md) tells how they work together. This page is written
from `builder/language/prelude/` by `scripts/reference`; each example is evaluated when floto is tested. An example that
does not name a project goes on from these lines, and the files that it names lie in [example/](example/):

```python
{START}```

Arguments after the first are given by name. *Late* is what a `param()` returns: a value that only the site knows.
`Text` is text or late, `Size` is bytes, text such as `"512m"` or a late size, `Seconds` is a number, text such as
`"90s"` or `"1h30m"`, or a late number.
"""


def reference() -> str:
    """The text of `docs/language/reference.md`."""
    return "\n".join([_HEADING, *_contents(), *(line for chapter in CHAPTERS for line in _chapter(chapter))])


def whole_example(word: Word) -> str:
    """The example of a word as a definition that can be evaluated."""
    return word.example if "project(" in word.example else f"{START}{word.example}"


def _contents() -> Iterator[str]:
    for chapter in CHAPTERS:
        links = ", ".join(f"[{word.name}](#{word.name})" for word in words().values() if word.chapter == chapter)
        yield f"- {chapter_title(chapter)} {links}"
    yield ""


def _chapter(chapter: str) -> Iterator[str]:
    yield f"## {chapter_title(chapter).partition(':')[0]}\n"
    for word in words().values():
        if word.chapter == chapter:
            yield _word(word)


def _word(word: Word) -> str:
    arguments = "\n".join(["| argument | | |", "|---|---|---|", *map(_row, word.arguments)])
    pieces = [f"### {word.name}", word.summary, word.text, arguments, f"```python\n{word.example}\n```"]
    return "\n\n".join(piece for piece in pieces if piece) + "\n"


def _row(argument: Argument) -> str:
    default = "" if argument.default in (None, "None", "[]", "{}") else f" = {argument.default}"
    needed = "" if argument.default is not None else ", must be given"
    return f"| `{argument.name}{default}` | `{_in_table(argument.type)}`{needed} | {_in_table(argument.doc)} |"


def _in_table(text: str) -> str:
    return text.removesuffix(" | None").replace("typing.Any", "any").replace("|", "\\|")
