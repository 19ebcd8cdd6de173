"""The release's own words: `project()`, `param()`, `choice()`, `check()`."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from builder.language.hearing import Call
from builder.language.meaning.binding import Readers, bind, judge, read_fields
from builder.language.meaning.scalars import list_of, open_value, size, told
from builder.language.meaning.spot import Spot
from builder.language.prelude.words import words
from bundle_format.release.fields import Version
from bundle_format.release.model import Choice, Parameter, Rule, Scalar
from bundle_format.release.rules import judge as judge_rule
from bundle_format.release.rules import parse_rule
from bundle_format.release.value import FaultyError, Value
from bundle_format.site.parameters import parameter_faults


class _Project(Value):
    version: Version
    doc: str = ""


_PROJECT: Final[Readers] = {"version": ("version", open_value), "doc": ("doc", open_value)}
_PARAM: Final[Readers] = {
    name: (name, open_value) for name in ("type", "doc", "default", "example", "min", "max", "pattern", "one_of")
}
_SIZES: Final[Readers] = {
    **{name: (name, size) for name in ("default", "example", "min", "max")},
    "one_of": ("one_of", list_of(size)),
}


def read_project(call: Call, spot: Spot) -> dict[str, Any]:
    """`project()`: version and doc of the product."""
    fields = read_fields(_PROJECT, bind(words()["project"], call.given, call.named, spot), spot)
    judge(_Project, fields, spot, _PROJECT)
    return fields


def read_parameter(call: Call, spot: Spot) -> Parameter:
    """`param()`; where it is faulty, a plain text stands for it, so that the rest can be read."""
    bound = bind(words()["param"], call.given, call.named, spot)
    readers = {**_PARAM, **_SIZES} if bound.get("type") == "size" else _PARAM
    parameter = judge(Parameter, {"type": "string", **read_fields(readers, bound, spot)}, spot, readers)
    if parameter is None:
        return Parameter(type="string")
    for fault in parameter_faults(parameter):
        named = next((name for name in _PARAM if f" {name}" in f" {fault}"), "name")
        spot.at(named).fault(f"{call.told}: {fault}")
    return parameter


def read_choice(call: Call, spot: Spot) -> Choice | None:
    """`choice()` with its options, each a plain value."""
    bound = bind(words()["choice"], call.given, call.named, spot)
    options = bound.get("options")
    if not isinstance(options, list) or not options:
        spot.at("options").wrong(f"must be a list of at least one option, not {told(options) if options else 'empty'}")
        return None
    for position, option in enumerate(options):
        if not isinstance(option, str | int) or "record[" in str(option):
            spot.at("options", position).wrong(f"must be text, a whole number, True or False, not {told(option)}")
            return None
        if any(type(option) is type(other) and option == other for other in options[:position]):
            spot.at("options", position).wrong(f"{told(option)} stands there twice")
            return None
    doc = bound.get("doc", "")
    return Choice(options=tuple(options), doc=doc if isinstance(doc, str) else "")


def read_rule(call: Call, spot: Spot, choices: Mapping[str, Scalar]) -> Rule | None:
    """`check()` as a rule, tried with sample values so that its types fit."""
    bound = bind(words()["check"], call.given, call.named, spot)
    condition, message = bound.get("condition"), open_value(bound.get("message", ""), spot.at("message"))
    if not isinstance(condition, str) or not isinstance(message, str):
        return None  # told where its name was judged
    try:
        rule = Rule(expression=parse_rule(condition, spot.context.parameters, choices), message=message)
        judge_rule(rule, spot.context.known, choices)
    except FaultyError as error:
        for fault in error.faults:
            spot.at("condition").wrong(fault.message)
        return None
    except ValueError as error:
        spot.at("condition").wrong(str(error))
        return None
    return rule


def unite_rules(variants: Iterable[tuple[dict[str, Scalar], Iterable[Rule]]]) -> tuple[Rule, ...]:
    """The rules of all variants; one that only some of them have is asked there alone."""
    wheres: dict[str, tuple[Rule, list[dict[str, Scalar]]]] = {}
    count = 0
    for when, rules in variants:
        count += 1
        for rule in rules:
            wheres.setdefault(rule.model_dump_json(), (rule, []))[1].append(when)
    return tuple(rule if len(whens) == count else _guarded(rule, whens) for rule, whens in wheres.values())


def _guarded(rule: Rule, whens: list[dict[str, Scalar]]) -> Rule:
    guards = [["and", *(["==", {"$choice": name}, option] for name, option in when.items())] for when in whens]
    return Rule(expression=["or", ["not", ["or", *guards]], rule.expression], message=rule.message)
