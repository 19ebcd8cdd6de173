"""The Starlark text that makes the words work: each hands what it was given to Python and returns its record.

Nothing is checked here, so that one run tells every fault of a definition and not just the first.
"""

from builder.language.prelude.words import Word, chapter_text, records, types, words

LABEL = "@floto//prelude.star"


def working_prelude() -> str:
    """The prelude as Starlark runs it; `_tell` is the one way out to Python."""
    return chapter_text("handles") + "".join(_definition(word) for word in words().values())


def visible_names() -> tuple[str, ...]:
    """What every definition sees without loading it: words and types."""
    return (*words(), *types())


def _definition(word: Word) -> str:
    fields = records().get(word.returns, ())
    lines = [f"def {word.name}(*given, **named):"]
    if "arguments" in fields:
        record = f'{word.returns}(_word = "{word.name}", arguments = [given, named])'
    else:
        lines.append(f'    told = _tell(json.encode(["{word.name}", given, named, call_stack(strip_frames = 1)]))')
        record = _answer(word, fields)
    return "\n" + "\n".join([*lines, f"    return {record}"]) + "\n"


def _answer(word: Word, fields: tuple[str, ...]) -> str:
    if word.returns == "typing.Any":
        return 'told["value"] if "value" in told else Late(_late = told["late"])'
    if not fields:
        return "None"
    known = {name: f'named.get("{name}")' for name in word.names if name not in word.positional}
    values = [
        f"{field} = {known.get(field, f'told[{chr(34)}{field}{chr(34)}]')}" for field in fields if field != "_word"
    ]
    return f'{word.returns}(_word = "{word.name}", {", ".join(values)})'
