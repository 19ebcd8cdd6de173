"""Healthchecks: `cmd()`, `shell()` and `http()` as docker takes them."""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from builder.language.meaning.binding import Reader, Readers
from builder.language.meaning.scalars import is_result, plain, record_of, seconds, told
from builder.language.meaning.spot import SAMPLE_KEY, Spot
from bundle_format.release.fields import PortNumber
from bundle_format.release.late import substitute
from bundle_format.release.value import faults_of

_PATH = re.compile(r"/[A-Za-z0-9._~!$&()*+,;=:@%/?#-]*")
_PORT: Final = TypeAdapter(PortNumber)
_TIMES: Final[dict[str, tuple[str, Reader]]] = {
    "interval": ("interval", seconds),
    "timeout": ("timeout", seconds),
    "retries": ("retries", plain),
    "start_period": ("start_period", seconds),
}


def _port(value: Any, spot: Spot) -> Any:
    port = plain(value, spot)
    if port is None:
        return None
    try:
        _PORT.validate_python(substitute(port, spot.context.known, SAMPLE_KEY), strict=True)
    except ValidationError as error:
        for _, message in faults_of(error):
            spot.wrong(message)
        return None
    return port


_WORDS: Final[Mapping[str, Readers]] = {
    "cmd": _TIMES | {"command": ("command", plain)},
    "shell": _TIMES | {"line": ("line", plain)},
    "http": _TIMES | {"port": ("port", _port), "path": ("path", plain)},
}


def healthcheck(value: Any, spot: Spot) -> Any:
    """How the engine shall ask a container whether it works."""
    if not is_result(value, *_WORDS):
        spot.wrong(f"must be cmd(), shell() or http(), not {told(value)}")
        return None
    fields = record_of(value["_word"], _WORDS[value["_word"]])(value, spot)
    test = _test(fields, spot)
    if test is None:
        return None
    return {"test": test} | {field: fields[field] for field in _TIMES if field in fields}


def _test(fields: Mapping[str, Any], spot: Spot) -> Any:
    match fields:
        case {"command": [*command]}:
            return ["CMD", *command]
        case {"command": wrong}:
            spot.at("command").wrong(f"must be a list, not {told(wrong)}")
        case {"line": line}:
            return ["CMD-SHELL", line]
        case {"port": port}:
            return _request(port, fields.get("path", "/"), spot)
    return None


def _request(port: Any, path: Any, spot: Spot) -> Any:
    # No image has to have either program, and many have one. The quotes cannot be broken out of: a path has none.
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        spot.at("path").wrong("must be a path such as /health, without blanks and quotes")
        return None
    address = ["'http://127.0.0.1:", port, f"{path}'"]
    line = ["curl -fsS -o /dev/null ", *address, " 2>/dev/null || wget -q -O /dev/null ", *address]
    return ["CMD-SHELL", {"$text": line}]
