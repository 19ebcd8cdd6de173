"""One JSON text per value, so that equal values have equal digests (SPEC.md, canonical JSON)."""

import json
from typing import Any

from bundle_format.digest import Digest, digest_of

MAX_INT = 2**53
"""Integers stay below it in magnitude, so that every JSON reader agrees on them."""


def canonical(value: Any) -> bytes:
    """Encode `value`: sorted keys, no blanks, ASCII only, no floats; ValueError for what has no canonical form."""
    _check(value, "")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def parse_canonical(text: bytes) -> Any:
    """Decode canonical JSON; ValueError unless `text` is exactly what `canonical` writes (so no duplicate keys)."""
    try:
        value = json.loads(text)
        again = canonical(value)
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error
    if again != text:
        raise ValueError("JSON is not in its canonical form")
    return value


def digest_of_value(value: Any) -> Digest:
    """The digest of a value's canonical text."""
    return digest_of(canonical(value))


def _check(value: Any, path: str) -> None:
    match value:
        case None | bool() | str():
            return
        case int():
            if abs(value) >= MAX_INT:
                raise ValueError(f"integer out of range at {path or 'top'}")
        case list() | tuple():
            for position, member in enumerate(value):
                _check(member, f"{path}[{position}]")
        case dict():
            for key, member in value.items():
                if not isinstance(key, str):
                    raise ValueError(f"key is no text at {path or 'top'}")
                _check(member, f"{path}.{key}")
        case _:
            raise ValueError(f"{type(value).__name__} has no canonical form at {path or 'top'}")
