"""Single values as people write them: texts with late values, sizes, times, permissions, other words' results."""

import difflib
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from builder.language.meaning.binding import Reader, Readers, bound_record, read_fields
from builder.language.meaning.spot import Spot
from builder.language.tokens import RECORD, text_tree
from bundle_format.canonical import MAX_INT
from bundle_format.release.fields import MOST_OWNER
from bundle_format.site.parameters import size_of

MAX_NESTING: Final = 32
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def plain(value: Any, spot: Spot) -> Any:
    """Texts, whole numbers, truth values, lists and dictionaries, with late values anywhere in them."""
    match value:
        case str():
            return _text(value, spot)
        case bool():
            return value
        case int() if abs(value) < MAX_INT:
            return value
        case list() if len(spot.way) <= MAX_NESTING:
            return [_placeheld(plain(member, spot.at(position))) for position, member in enumerate(value)]
        case dict() if len(spot.way) <= MAX_NESTING:
            return _table(value, spot)
    too_much = {int: "is too large a number", list: "is nested too deeply", dict: "is nested too deeply"}
    spot.wrong(too_much.get(type(value), f"must be a whole number or text, not {told(value)}"))
    return None


def facts(value: Any, spot: Spot) -> Any:
    """As `plain`, but what words returned is there with the attributes that it shows: a host's name and address."""
    return plain(_shown(value), spot)


def _shown(value: Any) -> Any:
    match value:
        case {"_word": _, "name": _}:
            return {name: value[name] for name in ("name", "address", "file") if value.get(name) is not None}
        case dict():
            return {key: _shown(member) for key, member in value.items()}
        case list():
            return [_shown(member) for member in value]
    return value


def open_value(value: Any, spot: Spot) -> Any:
    """As `plain`, but nothing late: it is needed before any site is known."""
    tree = plain(value, spot)
    if not _is_late(tree):
        return tree
    spot.wrong("cannot be late: it is needed while building, before any site is known")
    return None


def text(value: Any, spot: Spot) -> str | None:
    """Text that is known while building."""
    tree = open_value(value, spot)
    if tree is None or isinstance(tree, str):
        return tree
    spot.wrong(f"must be text, not {told(value)}")
    return None


def size(value: Any, spot: Spot) -> Any:
    """Bytes: a number, text such as `512m`, or a late value of type size."""
    tree = plain(value, spot)
    match tree:
        case str():
            return _bytes(tree, spot)
        case bool() | list() | {"$text": _}:
            spot.wrong(f"must be a size such as '512m', not {told(value)}")
            return None
        case {"$param": name} if (wanting := spot.context.parameters.get(name)) and wanting.type != "size":
            spot.wrong(f'param("{name}") is of type {wanting.type}; a size wants type = "size"')
            return None
    return tree


def _bytes(text: str, spot: Spot) -> int | None:
    try:
        return size_of(text)
    except ValueError as error:
        spot.wrong(str(error))
        return None


def seconds(value: Any, spot: Spot) -> Any:
    """Seconds: a number, text such as `90s`, `2m` or `1h30m`, or a late whole number."""
    tree = plain(value, spot)
    if not isinstance(tree, str):
        return tree
    found = _DURATION.fullmatch(tree)
    if not tree or not found:
        spot.wrong(f"must be seconds or a time such as '90s', '2m' or '1h30m', not {tree!r}")
        return None
    return sum(int(amount) * unit for amount, unit in zip(found.groups("0"), (86400, 3600, 60, 1), strict=True))


def mode(value: Any, spot: Spot) -> int | None:
    """Permissions: `0o644` or the text `0644`."""
    permissions = permissions_of(value)
    if permissions is None:
        spot.wrong(f'must be permissions such as 0o644 or "0644", not {told(value)}')
    return permissions


def permissions_of(value: Any) -> int | None:
    """The permissions that a value means, None if it means none."""
    if isinstance(value, str) and re.fullmatch(r"(0o?)?[0-7]{3,4}", value):
        return int(value.removeprefix("0o"), 8)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0o7777 else None


def owner_number(value: Any, spot: Spot) -> int | None:
    """The number of a user or group, known while building."""
    number = owner_number_of(value)
    if number is None:
        spot.wrong(f"must be the number of a user or group, from 0 to {MOST_OWNER}, not {told(value)}")
    return number


def owner_number_of(value: Any) -> int | None:
    """The number of a user or group that a value is, None if it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_OWNER else None


def cpu_millis(value: Any, spot: Spot) -> int | None:
    """Thousandths of a processor, from `2`, `0.5` or `"0.5"`; engines give no less than a hundredth."""
    try:
        millis = Decimal(value) * 1000 if isinstance(value, int | str | Decimal) else Decimal(0)
    except InvalidOperation:
        millis = Decimal(0)
    if isinstance(value, bool) or millis < 10 or millis != millis.to_integral_value():
        spot.wrong(f"must be a number of processors such as 2 or 0.5, not {told(value)}")
        return None
    return int(millis)


def result_of(*kinds: str) -> Reader:
    """A reader of what one of the words `kinds` returned: its name."""

    def read(value: Any, spot: Spot) -> Any:
        if not is_result(value, *kinds):
            spot.wrong(f"must be {' or '.join(f'{kind}()' for kind in kinds)}, not {told(value)}")
            return None
        return value["name"]

    return read


def record_of(word: str, readers: Readers) -> Reader:
    """A reader of what the word `word` says within another word's argument: its fields."""

    def read(value: Any, spot: Spot) -> Any:
        if not is_result(value, word):
            spot.wrong(f"must be {word}(), not {told(value)}")
            return None
        return read_fields(readers, bound_record(value, spot), spot)

    return read


def names_of(*kinds: str) -> Reader:
    """A reader of a list of names, or of what the words `kinds` returned; all of them are known by now."""

    def read(value: Any, spot: Spot) -> Any:
        name = value["name"] if is_result(value, *kinds) else plain(value, spot)
        said = spot.context.said
        if spot.context.whole and isinstance(name, str) and not any((kind, name) in said for kind in kinds):
            near = difflib.get_close_matches(name, [known for kind, known in said if kind in kinds], 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            wanted = " or ".join(", ".join(kinds).rsplit(", ", 1))
            spot.wrong(f"there is no {wanted} {name!r}{hint}")
            return None
        return name

    return list_of(read)


def is_result(value: Any, *kinds: str) -> bool:
    """Whether `value` is what one of the words `kinds` returned."""
    return isinstance(value, dict) and value.get("_word") in kinds


def list_of(read: Reader) -> Reader:
    """A reader of a list whose members `read` reads."""

    def read_all(value: Any, spot: Spot) -> Any:
        if not isinstance(value, list):
            spot.wrong(f"must be a list, not {told(value)}")
            return None
        members = [read(member, spot.at(position)) for position, member in enumerate(value)]
        return None if None in members else members

    return read_all


def items(value: Any, spot: Spot) -> Iterable[tuple[str, Any]]:
    """The members of a dictionary; its keys are texts known while building."""
    if not isinstance(value, dict) or RECORD in value or "_word" in value:
        spot.wrong(f"must be a dictionary, not {told(value)}")
        return ()
    return [(key, member) for key, member in value.items() if _is_key(key, spot)]


def told(value: Any) -> str:
    """What a wrong value is, in a few words."""
    match value:
        case {"_word": str(word)}:
            return f"{word}()"
        case {"_late": str(name)}:
            return f'the late param("{name}")'
        case str():
            return f"the text {value[:40]!r}"
        case bool() | None:
            return str(value)
    kinds: dict[type, str] = {list: "a list", dict: "a dictionary"}
    return kinds.get(type(value), f"the number {value}")


def _text(value: str, spot: Spot) -> Any:
    try:
        tree = text_tree(value)
    except ValueError as error:
        spot.wrong(str(error))
        return None
    parts = [] if isinstance(tree, str) else tree.get("$text", [tree])
    names = [part["$param"] for part in parts if isinstance(part, dict)]
    return tree if all(_is_known(name, spot) for name in names) else None


def _table(value: dict[str, Any], spot: Spot) -> Any:
    if set(value) == {RECORD}:
        return {"$param": value[RECORD]} if _is_known(value[RECORD], spot) else None
    if "_word" in value:
        spot.wrong(f"must be text or a number, not {value['_word']}(); did you mean its .name?")
        return None
    members = {key: plain(member, spot.at(key)) for key, member in value.items() if _is_key(key, spot)}
    return {key: member for key, member in members.items() if member is not None}


def _placeheld(member: Any) -> Any:
    # A member that could not be read leaves the others at their places.
    return "" if member is None else member


def _is_known(name: Any, spot: Spot) -> bool:
    if name in spot.context.parameters:
        return True
    spot.wrong(f"no param() named {name!r} was declared")
    return False


def _is_key(key: str, spot: Spot) -> bool:
    if "record[" in key:
        spot.wrong("a key cannot be late")
    elif key.startswith("$"):
        spot.at(key).wrong("a key cannot begin with '$'")
    else:
        return True
    return False


def _is_late(tree: Any) -> bool:
    match tree:
        case {"$param": _} | {"$text": _}:
            return True
        case dict():
            return any(map(_is_late, tree.values()))
        case list():
            return any(map(_is_late, tree))
    return False
