"""Rules: what a definition's `check()` asks of parameters and choices, as data that a site judges.

An expression is a scalar, `{"$param": name}`, `{"$choice": name}`, or a list of an operator and its operands.
"""

import ast
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from bundle_format.release.fields import Sealed
from bundle_format.release.late import Known, as_text
from bundle_format.release.model import Rule, Scalar
from bundle_format.release.value import Fault, FaultyError

MAX_LENGTH: Final = 400
MAX_NUMBER: Final = 2**63
WRITTEN: Final = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%",
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.In: "in", ast.NotIn: "not in", ast.And: "and", ast.Or: "or", ast.Not: "not", ast.USub: "-",
}  # fmt: skip


def parse_rule(text: str, parameters: Collection[str], choices: Collection[str]) -> Any:
    """The expression that `text` says in Python's grammar; FaultyError (line 1, its column) for what rules lack."""
    if len(text) > MAX_LENGTH:
        raise FaultyError(Fault(f"the condition is longer than {MAX_LENGTH} characters", line=1, column=1))
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = getattr(error, "offset", None) or 1
        raise FaultyError(Fault("the condition is no expression", line=1, column=column)) from error
    return _Reader(parameters, choices).read(tree.body)


def judge(rule: Rule, known: Known, choices: Mapping[str, Scalar]) -> bool:
    """Whether a site meets the rule; ValueError where its operands do not fit, such as a text less than a number.

    KeyError for a parameter that is not `known`; one that decides nothing (`a or b`) is not asked.
    """
    outcome = _value(rule.expression, known, choices)
    if not isinstance(outcome, bool):
        raise ValueError("the condition is neither true nor false")
    return outcome


def parameters_of(expression: Any) -> frozenset[str]:
    """The parameters that an expression names."""
    match expression:
        case {"$param": str(name)}:
            return frozenset({name})
        case [*members]:
            return frozenset().union(*map(parameters_of, members))
    return frozenset()


def told_values(rule: Rule, known: Known) -> str:
    """The values that the rule was judged on, without secrets: `a = 1, b = 2`."""
    return ", ".join(
        f"{name} = {'(secret)' if isinstance(value := known[name], Sealed) else as_text(value)}"
        for name in sorted(parameters_of(rule.expression) & set(known))
    )


class _Reader:
    def __init__(self, parameters: Collection[str], choices: Collection[str]) -> None:
        self._parameters = parameters
        self._choices = choices

    def read(self, node: ast.expr) -> Any:  # noqa: PLR0911  # one return a form is the clearest
        match node:
            case ast.Constant(value=bool() | int() | str() as value):
                return value
            case ast.Name(id=name) if name in self._parameters:
                return {"$param": name}
            case ast.Name(id=name) if name in self._choices:
                return {"$choice": name}
            case ast.BoolOp(op=operator, values=operands):
                return [WRITTEN[type(operator)], *map(self.read, operands)]
            case ast.UnaryOp(op=ast.Not() | ast.USub() as operator, operand=operand):
                return [WRITTEN[type(operator)], self.read(operand)]
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in WRITTEN:
                return [WRITTEN[type(operator)], self.read(left), self.read(right)]
            case ast.Compare():
                return self._comparison(node)
            case ast.List(elts=members) | ast.Tuple(elts=members):
                return ["list", *map(self.read, members)]
            case ast.Call(func=ast.Name(id="len"), args=[argument], keywords=[]):
                return ["len", self.read(argument)]
        raise FaultyError(Fault(self._refused(node), line=1, column=_column(node)))

    def _comparison(self, node: ast.Compare) -> Any:
        operands = [self.read(operand) for operand in (node.left, *node.comparators)]
        if refused := [operator for operator in node.ops if type(operator) not in WRITTEN]:
            raise FaultyError(Fault(f"rules do not know {type(refused[0]).__name__}", line=1, column=_column(node)))
        links = [
            [WRITTEN[type(operator)], left, right]
            for operator, left, right in zip(node.ops, operands, operands[1:], strict=False)
        ]
        return links[0] if len(links) == 1 else ["and", *links]

    def _refused(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return f"no param() or choice() is named {node.id!r}"
        return (
            f"rules do not know {ast.unparse(node)[:40]!r}: "
            "they have names, numbers, texts, lists, len(), + - * // %, comparisons, in, and, or, not"
        )


def _column(node: ast.expr) -> int:
    return node.col_offset + 1


def _value(expression: Any, known: Known, choices: Mapping[str, Scalar]) -> Any:
    match expression:
        case bool() | int() | str():
            return expression
        case {"$param": str(name)}:
            value = known[name]
            return value.reveal() if isinstance(value, Sealed) else value
        case {"$choice": str(name)}:
            return choices[name]
        case ["and", *operands]:
            return all(_truth(operand, known, choices) for operand in operands)
        case ["or", *operands]:
            return any(_truth(operand, known, choices) for operand in operands)
        case [str(operator), *operands] if operator in _OPERATORS:
            return _applied(operator, [_value(operand, known, choices) for operand in operands])
    raise ValueError(f"rules do not know {str(expression)[:40]!r}")


def _truth(expression: Any, known: Known, choices: Mapping[str, Scalar]) -> bool:
    value = _value(expression, known, choices)
    if not isinstance(value, bool):
        raise ValueError("'and', 'or' and 'not' need conditions on both sides")
    return value


def _applied(operator: str, operands: list[Any]) -> Any:
    try:
        outcome = _OPERATORS[operator](*operands)
    except ZeroDivisionError:
        raise ValueError(f"{operator!r} divides by zero") from None
    except TypeError:
        raise ValueError(f"{operator!r} does not fit its operands") from None
    if isinstance(outcome, int) and abs(outcome) >= MAX_NUMBER:
        raise ValueError(f"{operator!r} makes a number that is too large")
    return outcome


def _numbers(count: Callable[[int, int], int]) -> Callable[[Any, Any], int]:
    def counted(left: Any, right: Any) -> int:
        if not (_is_number(left) and _is_number(right)):
            raise TypeError
        return count(left, right)

    return counted


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compared(left: Any, right: Any) -> bool:
        if not (_is_number(left) and _is_number(right)) and not (isinstance(left, str) and isinstance(right, str)):
            raise TypeError
        return compare(left, right)

    return compared


def _minus(left: Any, *right: Any) -> int:
    return _numbers(lambda a, b: a - b)(left, *right) if right else _numbers(lambda a, b: b - a)(left, 0)


def _equal(left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        raise TypeError
    return bool(left == right)


def _contains(member: Any, whole: Any) -> bool:
    if isinstance(whole, list):
        return any(type(member) is type(one) and member == one for one in whole)
    if not (isinstance(member, str) and isinstance(whole, str)):
        raise TypeError
    return member in whole


def _opposite(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return not value


def _length(value: Any) -> int:
    if not isinstance(value, str):
        raise TypeError
    return len(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_OPERATORS: Final[Mapping[str, Callable[..., Any]]] = {
    "+": _numbers(lambda a, b: a + b),
    "-": _minus,
    "*": _numbers(lambda a, b: a * b),
    "//": _numbers(lambda a, b: a // b),
    "%": _numbers(lambda a, b: a % b),
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordered(lambda a, b: a < b),
    "<=": _ordered(lambda a, b: a <= b),
    ">": _ordered(lambda a, b: a > b),
    ">=": _ordered(lambda a, b: a >= b),
    "in": _contains,
    "not in": lambda member, whole: not _contains(member, whole),
    "not": _opposite,
    "len": _length,
    "list": lambda *members: list(members),
}
