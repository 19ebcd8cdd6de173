"""What each type of parameter takes on a site, and what that is in JSON Schema."""

import ipaddress
import json
import re
from collections.abc import Callable
from typing import Any, Final

from bundle_format.canonical import MAX_INT
from bundle_format.release.late import as_text
from bundle_format.release.model import Choice, Parameter, Scalar

_LABEL: Final = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DNS_NAME: Final = rf"(?=.{{1,253}}$)({_LABEL}\.)*{_LABEL}"
_SIZE: Final = r"([0-9]+) ?([kmgtKMGT]?)(i?[bB])?"
_UNITS: Final = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SHAPES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:(\\\S*)?[\x00-\x1f]")

_ESCAPES: Final = "\\t, \\n and the like are no backslash and letter: write 'C:\\new' in single quotes, or C:/new"


def read_value(parameter: Parameter, given: object) -> Scalar:
    """What a site's value means to the release, a size in bytes; ValueError, without the value, if it does not fit."""
    value = _READERS[parameter.type](given)
    if parameter.one_of is not None:
        return _one_of(parameter.one_of, value)
    if isinstance(value, int) and not isinstance(value, bool):
        _within(value, parameter)
    if parameter.pattern is not None and not re.fullmatch(parameter.pattern, str(value)):
        raise ValueError(f"must match {parameter.pattern}")
    return value


def read_option(choice: Choice, given: object) -> Scalar:
    """The option that a site has chosen; ValueError if there is none such."""
    return _one_of(choice.options, given)


def read_file_name(given: object) -> str:
    """The name of a file, absolute or relative; ValueError if it cannot be one."""
    name = _text(given)
    if not name or _CONTROL.search(name):
        raise ValueError(f"must be the name of a file (in double quotes {_ESCAPES})")
    return name


def written(value: Scalar, parameter: Parameter | None = None) -> str:
    """A value as it is written in a site's file; a size with the largest unit that leaves it whole."""
    if parameter is not None and parameter.type == "size" and isinstance(value, int):
        unit = next((unit for unit in "tgmk" if value and value % (1 << _UNITS[unit]) == 0), "")
        return f'"{value >> _UNITS[unit]}{unit}"' if unit else str(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else as_text(value)


def size_of(text: str) -> int:
    """A size in bytes: `512m`, `4 GiB`, `1024`; units are powers of 1024, as docker reads them; ValueError else."""
    found = re.fullmatch(_SIZE, text)
    if not found or (found[3] and len(found[3]) == 2 and not found[2]):
        raise ValueError("must be a size such as 512m or '4 GiB', in whole numbers")
    return int(found[1]) << _UNITS[found[2].lower()]


def value_schema(parameter: Parameter) -> dict[str, Any]:
    """JSON Schema (2020-12) of what `read_value` takes."""
    schema: dict[str, Any] = {"enum": list(parameter.one_of)} if parameter.one_of else dict(_SCHEMAS[parameter.type])
    if schema.get("type") == "integer":
        schema |= {name: bound for name, bound in _bounds(parameter) if bound is not None}
    if parameter.pattern is not None and schema.get("type") == "string":
        schema["pattern"] = f"^(?:{parameter.pattern})$"
    if parameter.doc:
        schema["description"] = parameter.doc
    if parameter.default is not None:
        schema["default"] = parameter.default
    return schema


def option_schema(choice: Choice) -> dict[str, Any]:
    """JSON Schema of what `read_option` takes."""
    described = {"description": choice.doc} if choice.doc else {}
    return {"enum": list(choice.options), "default": choice.options[0]} | described


def parameter_faults(parameter: Parameter) -> list[str]:
    """What is wrong with a parameter itself: a default that it would not take, a secret that would be shipped."""
    if parameter.type == "secret":
        shipped = [word for word in ("default", "example", "one_of") if getattr(parameter, word) is not None]
        return [f"a secret has no {word}: it would be shipped with every bundle" for word in shipped]
    try:
        re.compile(parameter.pattern or "")
    except re.error as error:
        return [f"its pattern is no regular expression: {error}"]
    if parameter.min is not None and parameter.max is not None and parameter.min > parameter.max:
        return ["its min is greater than its max"]
    faults = [_fault(parameter, word, getattr(parameter, word)) for word in ("default", "example")]
    own_type = parameter.model_copy(update={"one_of": None})
    faults += [_fault(own_type, "one_of", member) for member in parameter.one_of or ()]
    return [fault for fault in faults if fault]


def _fault(parameter: Parameter, word: str, value: Scalar | None) -> str | None:
    if value is None:
        return None
    try:
        read_value(parameter, value)
    except ValueError as error:
        return f"its {word} {as_text(value)!r} {error}"
    return None


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise ValueError("must be text")
    if _DRIVE.match(given):
        raise ValueError(f"holds a control character (in double quotes {_ESCAPES})")
    if _SHAPES.search(given):
        raise ValueError("holds a control character")
    return given


def _integer(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int):
        raise ValueError("must be a whole number")
    if abs(given) >= MAX_INT:
        raise ValueError("is too large a number")
    return given


def _truth(given: object) -> bool:
    if not isinstance(given, bool):
        raise ValueError("must be true or false")
    return given


def _address(given: object) -> str:
    text = _text(given)
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("must be an IPv4 or IPv6 address") from None
    return text


def _network(given: object) -> str:
    text = _text(given)
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("must be a network such as 10.20.0.0/16") from None
    if "/" not in text or str(network) != text:
        raise ValueError(f"must be a network; did you mean {network}?")
    return text


def _dns_name(given: object) -> str:
    text = _text(given)
    if not re.fullmatch(_DNS_NAME, text) or text.rpartition(".")[2].isdigit():
        raise ValueError("must be a DNS name such as shop.example.net")
    return text


def _port(given: object) -> int:
    port = _integer(given)
    if not 1 <= port <= 65535:
        raise ValueError("must be a port, 1 to 65535")
    return port


def _path(given: object) -> str:
    text = _text(given)
    if _CONTROL.search(text):
        raise ValueError(f"holds a control character (in double quotes {_ESCAPES})")
    if not re.match(r"/|[A-Za-z]:[/\\]|\\\\", text):
        raise ValueError("must be an absolute path")
    return text


def _size(given: object) -> int:
    return size_of(given) if isinstance(given, str) else _size_in_bytes(given)


def _size_in_bytes(given: object) -> int:
    if (size := _integer(given)) < 0:
        raise ValueError("must be a size, not less than 0")
    return size


def _within(value: int, parameter: Parameter) -> None:
    if parameter.min is not None and value < parameter.min:
        raise ValueError(f"must be at least {written(parameter.min, parameter)}")
    if parameter.max is not None and value > parameter.max:
        raise ValueError(f"must be at most {written(parameter.max, parameter)}")


def _one_of(options: tuple[Scalar, ...], given: object) -> Scalar:
    for option in options:
        if type(option) is type(given) and option == given:
            return option
    raise ValueError(f"must be one of {', '.join(map(written, options))}")


def _bounds(parameter: Parameter) -> list[tuple[str, int | None]]:
    return [("minimum", parameter.min), ("maximum", parameter.max)]


_READERS: Final[dict[str, Callable[[object], Scalar]]] = {
    "string": _text,
    "int": _integer,
    "bool": _truth,
    "ip": _address,
    "cidr": _network,
    "fqdn": _dns_name,
    "port": _port,
    "path": _path,
    "size": _size,
    "secret": _text,
}

_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "string": {"type": "string"},
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    # An IPv6 address is no "ipv4", and editors judge formats strictly.
    "ip": {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
    "cidr": {"type": "string", "pattern": "^[0-9A-Fa-f:.]+/[0-9]{1,3}$"},
    "fqdn": {"type": "string", "format": "hostname"},
    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "path": {"type": "string", "pattern": r"^(/|[A-Za-z]:[/\\]|\\\\)"},
    "size": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": f"^{_SIZE}$"}]},
    "secret": {
        "oneOf": [
            {"type": "object", "properties": {name: value}, "required": [name], "additionalProperties": False}
            for name, value in (
                ("file", {"type": "string", "description": "a file beside site.toml that holds the secret alone"}),
                ("env", {"type": "string", "description": "a variable of the agent's environment"}),
                ("prompt", {"const": True, "description": "ask the person at the terminal"}),
            )
        ]
    },
}
