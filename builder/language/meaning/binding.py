"""What a word was given, by the names of its arguments: too much, too little or misspelt is told, never guessed."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from builder.language.meaning.spot import Spot
from builder.language.prelude.words import Word, words
from bundle_format.release.late import substitute
from bundle_format.release.value import faults_of

Model = TypeVar("Model", bound=BaseModel)

_OTHERS_SAY: Final = {
    "command": "cmd",
    "cmd": "command",
    "container_name": "name",
    "depends_on": "after",
    "environment": "env",
    "ip": "address",
    "logging": "log",
    "mem_limit": "memory",
    "restart_policy": "restart",
    "stop_grace_period": "stop_grace",
    "tmpfs": "mounts",
    "update_config": "update",
    "volumes": "mounts",
    "working_dir": "workdir",
}
"""Ours for what other tools call an argument."""

Reader = Callable[[Any, Spot], Any]
"""Reads one argument as it was written; what is wrong is told to the spot, None is what cannot be read at all."""

Readers = Mapping[str, tuple[str, Reader]]
"""For each argument of a word: the field that it becomes, and how it is read."""


def bind(word: Word, given: Sequence[Any], named: Mapping[str, Any], spot: Spot) -> dict[str, Any]:
    """The arguments that were given, by name; `None` is not given."""
    bound = dict(zip(word.positional, given, strict=False))
    if len(given) > len(word.positional):
        wanted = " and ".join(map(repr, word.positional)) or "nothing"
        spot.fault(f"{word.name}() takes {wanted} by position; the others by name, as in {word.names[-1]} = ...")
    for name, value in named.items():
        if name not in word.names:
            spot.keyword_fault(name, unknown_argument(word, name))
        elif name in bound:
            spot.at(name).fault(f"{word.name}() is given {name!r} twice")
        else:
            bound[name] = value
    for name in word.required:
        if bound.get(name) is None:
            spot.fault(f"{word.name}() lacks {name!r}")
            spot.mark(name)
    return {name: value for name, value in bound.items() if value is not None}


def unknown_argument(word: Word, name: str) -> str:
    """What to say of an argument that the word does not have."""
    other = _OTHERS_SAY.get(name)
    near = [other] if other in word.names else difflib.get_close_matches(name, word.names, 1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; it takes {', '.join(word.names)}"
    return f"{word.name}() has no argument {name!r}{hint}"


def bound_record(record: Any, spot: Spot) -> dict[str, Any]:
    """The arguments of a word that became a record within another word's argument."""
    given, named = record["arguments"]
    return bind(words()[record["_word"]], given, named, spot)


def read_fields(readers: Readers, bound: Mapping[str, Any], spot: Spot) -> dict[str, Any]:
    """The fields that the arguments become; one that could not be read is left out, and marked as told."""
    fields: dict[str, Any] = {}
    for argument, (field, reader) in readers.items():
        if argument in bound:
            value = reader(bound[argument], spot.at(argument))
            if value is None:
                spot.mark(field)
            else:
                fields[field] = value
    return fields


def judge(model: type[Model], tree: Mapping[str, Any], spot: Spot, readers: Readers) -> Model | None:
    """The tree as `model`, or None once its faults are told; nothing in it is late."""
    arguments = {field: argument for argument, (field, _) in readers.items()}
    try:
        return model.model_validate(substitute(tree, {}, b""))
    except ValidationError as error:
        for (field, *rest), message in faults_of(error):
            if not spot.is_marked(field):
                spot.at(arguments.get(str(field), field), *rest).wrong(message)
    return None
