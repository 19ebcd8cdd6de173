"""Rules: read from a definition's text, kept as data, judged on a site's values."""

import re
from pathlib import Path
from typing import Any

import pytest

from bundle_format.canonical import canonical, parse_canonical
from bundle_format.release import rules
from bundle_format.release.fields import Sealed
from bundle_format.release.late import Known
from bundle_format.release.model import Rule, Scalar
from bundle_format.release.rules import judge, parameters_of, parse_rule, told_values
from bundle_format.release.value import FaultyError

PARAMETERS = ("heap", "memory", "domain", "password")
CHOICES = ("ha", "nodes")
KNOWN: Known = {"heap": 4, "memory": 9, "domain": "krk.example", "password": Sealed("changeme", b"key")}
SITE: dict[str, Scalar] = {"ha": True, "nodes": 3}


def rule(text: str) -> Rule:
    return Rule(expression=parse_rule(text, PARAMETERS, CHOICES), message="")


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("heap * 2 <= memory", True),
        ("heap * 2 + 2 <= memory", False),
        ("memory // heap == 2 and memory % heap == 1", True),
        ("-heap < 0 - 3", True),
        ("1 < heap < memory < 9", False),
        ("not ha or nodes >= 3", True),
        ("nodes in [1, 3, 5] and domain not in ('a', 'b')", True),
        ("'.' in domain", True),
        ("len(domain) > 100", False),
        ("len(password) >= 8 and password != 'changeme'", False),
        ("True in [1]", False),
    ],
)
def test_a_rule_judges_what_it_says(text: str, outcome: bool) -> None:
    assert judge(rule(text), KNOWN, SITE) is outcome


def test_a_rule_is_data_that_survives_a_bundle() -> None:
    expression = rule("not ha or len(domain) in [1, 2]").expression
    assert parse_canonical(canonical(expression)) == expression == (
        ["or", ["not", {"$choice": "ha"}], ["in", ["len", {"$param": "domain"}], ["list", 1, 2]]]
    )  # fmt: skip


def test_what_decides_nothing_is_not_asked() -> None:
    assert judge(rule("ha or heap > 1"), {}, SITE)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("heep < 3", "1:1: error: no param() or choice() is named 'heep'"),
        ("heap <", "the condition is no expression"),
        ("heap < 1.5", "rules do not know '1.5'"),
        ("open('/etc/passwd')", "rules do not know \"open('/etc/passwd')\""),
        ("domain.upper() == 'A'", "rules do not know 'domain.upper()'"),
        ("heap ** 2 < 3", "rules do not know 'heap ** 2'"),
        ("heap is 3", "rules do not know Is"),
        ("-" * 401 + "1", "longer than 400 characters"),
        ("[x for x in domain]", "rules do not know"),
    ],
)
def test_what_rules_lack_is_told_with_its_place(text: str, fault: str) -> None:
    with pytest.raises(FaultyError) as refused:
        rule(text)
    assert fault.removeprefix("1:1: error: ") in str(refused.value)
    assert refused.value.faults[0].column >= 1


@pytest.mark.parametrize(
    "expression", ["domain < 3", "domain + 'a' == 'b'", "heap == 'a'", "heap // (heap - 4) == 1", "heap", "heap and ha",
                   "not heap", "memory * 9223372036854775807 > 0", "len(heap) > 1", "heap in 'abc'"]
)  # fmt: skip
def test_operands_that_do_not_fit_are_an_error_not_an_answer(expression: str) -> None:
    with pytest.raises(
        ValueError, match=r"does not fit|divides by zero|neither true nor false|need conditions|too large"
    ):
        judge(rule(expression), KNOWN, SITE)


@pytest.mark.parametrize("operator", ["//", "%"])
def test_a_division_by_zero_is_called_so(operator: str) -> None:
    with pytest.raises(ValueError, match=f"'{operator}' divides by zero"):
        judge(rule(f"heap {operator} (heap - 4) == 1"), KNOWN, SITE)


@pytest.mark.parametrize("expression", [["import", "os"], {"$param": 1}, 1.5, None, [], [["+"], 1]])
def test_forged_data_is_refused(expression: Any) -> None:
    with pytest.raises(ValueError, match="rules do not know"):
        judge(Rule(expression=expression, message=""), KNOWN, SITE)


def test_the_values_are_told_without_secrets() -> None:
    both = rule("len(password) > heap or ha")
    assert parameters_of(both.expression) == {"password", "heap"}
    assert told_values(both, KNOWN) == "heap = 4, password = (secret)"


def test_the_specification_names_every_operator_and_no_other() -> None:
    text = (Path(rules.__file__).parent / "SPEC.md").read_text(encoding="utf-8").partition("## Rules")[2]
    named = {word for row in re.findall(r"^\| (`.*?`) \|", text, re.MULTILINE) for word in re.findall(r"`(.+?)`", row)}
    known = {operator for operator in named if is_known(operator)}
    assert named == known
    assert named >= set(rules.WRITTEN.values()) | {"len", "list"}


def is_known(operator: str) -> bool:
    try:
        judge(Rule(expression=[operator, {"$choice": "ha"}], message=""), KNOWN, SITE)
    except ValueError as error:
        return "rules do not know" not in str(error)
    return True
