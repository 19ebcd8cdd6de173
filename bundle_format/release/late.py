"""Trees with values that only a site knows: `{"$param": name}` and `{"$text": [part, ...]}`."""

from collections.abc import Iterator, Mapping
from typing import Any

from bundle_format.release.fields import Sealed
from bundle_format.release.model import Parameter, Scalar
from bundle_format.release.value import Path

Known = Mapping[str, Scalar | Sealed]
"""What each parameter is on one site."""


def names(tree: Any) -> frozenset[str]:
    """The parameters that a tree waits for."""
    found = set()
    waiting = [tree]
    while waiting:
        match waiting.pop():
            case dict() as table:
                late = _late_part(table)
                if late and late[0] == "$param":
                    found.add(late[1])
                else:
                    waiting.extend(table.values())
            case list() | tuple() as members:
                waiting.extend(members)
    return frozenset(found)


def occurrences(tree: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Each place of a tree that waits for a parameter, with its name; ValueError for a key that is ours alone."""
    if isinstance(tree, dict):
        match _late_part(tree):
            case "$param", name:
                yield path, name
            case "$text", parts:
                for part in parts:
                    yield from occurrences(part, path)
            case _:
                for key, member in tree.items():
                    yield from occurrences(member, (*path, key))
    elif isinstance(tree, list | tuple):
        for place, member in enumerate(tree):
            yield from occurrences(member, (*path, place))


def substitute(tree: Any, known: Known, key: bytes) -> Any:
    """The tree with every late value filled in, lists as tuples; KeyError for a parameter that is not `known`.

    A `$text` with a secret in it becomes Sealed as a whole, under the site's `key`.
    """
    if isinstance(tree, dict):
        match _late_part(tree):
            case "$param", name:
                return known[name]
            case "$text", parts:
                return _joined([substitute(part, known, key) for part in parts], key)
        return {name: substitute(member, known, key) for name, member in tree.items()}
    if isinstance(tree, list | tuple):
        return tuple(substitute(member, known, key) for member in tree)
    return tree


def as_text(value: Scalar) -> str:
    """How a scalar reads inside a text: booleans as JSON writes them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def samples(parameters: Mapping[str, Parameter]) -> dict[str, Scalar]:
    """A plausible value for each parameter, so that a definition can be tried before any site is known.

    The default or the example where there is one; ports and addresses that are made up differ from one another.
    """
    return {name: sample(name, parameters[name], number) for number, name in enumerate(sorted(parameters))}


def sample(name: str, parameter: Parameter, number: int = 0) -> Scalar:
    """One made-up value; `number` tells it from those of other parameters of its type."""
    for given in (parameter.default, parameter.example, *(parameter.one_of or ())):
        if given is not None:
            return given
    made_up: dict[str, Scalar] = {
        "bool": False,
        "int": _within(parameter, 1),
        "size": _within(parameter, 1 << 30),
        "port": _within(parameter, 20_000 + number),
        "ip": f"10.0.{number // 250}.{number % 250 + 1}",
        "cidr": "10.0.0.0/8",
        "fqdn": f"{name.replace('_', '-')}.example",
        "path": f"/sample/{name}",
    }
    return made_up.get(parameter.type, f"sample-{name}")


def _within(parameter: Parameter, wish: int) -> int:
    low = wish if parameter.min is None else max(wish, parameter.min)
    return low if parameter.max is None else min(low, parameter.max)


def _late_part(tree: dict[str, Any]) -> tuple[str, Any] | None:
    for name in tree:
        if name[:1] == "$":
            break
    else:
        return None
    match tree:
        case {"$param": str(name), **rest} if not rest:
            return "$param", name
        case {"$text": list() | tuple() as parts, **rest} if not rest:
            return "$text", parts
    raise ValueError(f"{name!r} is not allowed as a key")


def _joined(parts: list[Any], key: bytes) -> str | Sealed:
    text = "".join(part.reveal() if isinstance(part, Sealed) else as_text(part) for part in parts)
    return Sealed(text, key) if any(isinstance(part, Sealed) for part in parts) else text
