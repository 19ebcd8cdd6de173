"""What the types of parameters take, and that their schema says the same."""

import re
from typing import Any

import pytest

from bundle_format.release.model import Choice, Parameter, ParameterType
from bundle_format.site.parameters import (
    parameter_faults,
    read_file_name,
    read_option,
    read_value,
    size_of,
    value_schema,
)


@pytest.mark.parametrize(
    ("kind", "given", "read"),
    [
        ("string", "a\n\tb", "a\n\tb"),
        ("int", -3, -3),
        ("bool", True, True),
        ("ip", "::1", "::1"),
        ("cidr", "10.0.0.0/8", "10.0.0.0/8"),
        ("fqdn", "Shop.example.net", "Shop.example.net"),
        ("port", 65535, 65535),
        ("path", "C:\\data", "C:\\data"),
        ("path", "/srv/data", "/srv/data"),
        ("size", 1024, 1024),
        ("size", "4 GiB", 4 << 30),
    ],
)
def test_a_fitting_value_is_read(kind: ParameterType, given: object, read: object) -> None:
    assert read_value(Parameter(type=kind), given) == read


@pytest.mark.parametrize(
    ("kind", "given", "fault"),
    [
        ("string", 1, "must be text"),
        ("string", "C:\new", "control character (in double quotes"),
        ("string", "a\x1b[2J", "control character"),
        ("int", "3", "must be a whole number"),
        ("int", True, "must be a whole number"),
        ("int", 1.0, "must be a whole number"),
        ("int", 2**53, "too large"),
        ("bool", 1, "must be true or false"),
        ("ip", "10.20.0.311", "must be an IPv4 or IPv6 address"),
        ("cidr", "10.0.0.1/8", "did you mean 10.0.0.0/8?"),
        ("cidr", "10.0.0.1", "did you mean 10.0.0.1/32?"),
        ("cidr", "here", "must be a network such as"),
        ("fqdn", "krk_.example", "must be a DNS name"),
        ("fqdn", "10.0.0.1", "must be a DNS name"),
        ("fqdn", "a" * 64, "must be a DNS name"),
        ("port", 0, "1 to 65535"),
        ("path", "srv", "absolute path"),
        ("path", "/srv\nx", "control character"),
        ("size", "4 GX", "must be a size"),
        ("size", "1.5g", "must be a size"),
        ("size", "1ib", "must be a size"),
        ("size", -1, "not less than 0"),
        ("size", True, "must be a whole number"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_without_being_quoted(
    kind: ParameterType, given: object, fault: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(fault)):
        read_value(Parameter(type=kind), given)


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("512m", 512 << 20), ("4 GiB", 4 << 30), ("4gb", 4 << 30), ("1t", 1 << 40), ("7b", 7)],
)  # fmt: skip
def test_sizes_are_read_as_docker_reads_them(text: str, size: int) -> None:
    assert size_of(text) == size


def test_bounds_patterns_and_options_hold() -> None:
    bounded = Parameter(type="size", min=1 << 20, max=2 << 20)
    assert read_value(bounded, "1m") == 1 << 20
    for given, fault in (("1023k", 'at least "1m"'), ("3m", 'at most "2m"')):
        with pytest.raises(ValueError, match=fault):
            read_value(bounded, given)
    with pytest.raises(ValueError, match=r"must match \[a-z\]\+"):
        read_value(Parameter(type="string", pattern="[a-z]+"), "abc1")
    with pytest.raises(ValueError, match='must be one of "fast", "safe"'):
        read_value(Parameter(type="string", one_of=("fast", "safe")), "slow")


def test_an_option_is_of_the_same_type_as_the_definition_says() -> None:
    assert read_option(Choice(options=(False, True)), True) is True
    with pytest.raises(ValueError, match="must be one of false, true"):
        read_option(Choice(options=(False, True)), 1)


@pytest.mark.parametrize("name", ["", "a\tb", 3])
def test_a_files_name_is_a_name(name: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        read_file_name(name)


@pytest.mark.parametrize(
    ("parameter", "fault"),
    [
        ({"type": "int", "default": 1, "min": 2}, "its default '1' must be at least 2"),
        ({"type": "ip", "example": "here"}, "its example 'here' must be an IPv4 or IPv6 address"),
        ({"type": "int", "one_of": (1, "2")}, "its one_of '2' must be a whole number"),
        ({"type": "string", "pattern": "("}, "its pattern is no regular expression"),
        ({"type": "int", "min": 2, "max": 1}, "its min is greater than its max"),
        ({"type": "string", "one_of": ("a",), "default": "b"}, "its default 'b' must be one of"),
    ],
)
def test_a_parameter_that_refuses_its_own_default_is_at_fault(parameter: dict[str, Any], fault: str) -> None:
    (found,) = parameter_faults(Parameter(**parameter))
    assert found.startswith(fault)


@pytest.mark.parametrize("word", [{"default": "hunter2"}, {"example": "hunter2"}, {"one_of": ("hunter2",)}])
def test_threat_33_no_secret_is_shipped_as_a_default(word: dict[str, Any]) -> None:
    (found,) = parameter_faults(Parameter(type="secret", **word))
    assert "it would be shipped with every bundle" in found
    assert "hunter2" not in found


def test_a_schema_carries_what_an_editor_shows_and_judges() -> None:
    port = Parameter(type="port", doc="of the front", default=8080, max=9000)
    assert value_schema(port) == {
        "type": "integer", "minimum": 1, "maximum": 9000, "description": "of the front", "default": 8080
    }  # fmt: skip
    assert value_schema(Parameter(type="string", pattern="a|b"))["pattern"] == "^(?:a|b)$"
    assert value_schema(Parameter(type="int", one_of=(1, 2))) == {"enum": [1, 2]}
