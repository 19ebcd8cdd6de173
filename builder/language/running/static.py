"""What can be seen without running: misspelt arguments in code that is never reached, decisions on late values."""

import ast
from collections.abc import Iterator
from typing import Final

from builder.language.meaning.binding import unknown_argument
from builder.language.prelude.words import words
from builder.language.text.source import Source, Span
from bundle_format.release.value import Fault

_MAKING: Final = ("append", "extend", "format", "join")
"""Methods that make something of their arguments, and ask nothing of them."""

CONDITION: Final = "a late param() cannot be used in a condition: its value is known on site only; use choice()"


def static_faults(source: Source) -> list[Fault]:
    """The faults of one file, wherever they stand in it."""
    return [*_unknown_arguments(source), *_late_conditions(source)]


def compared_literals(source: Source) -> set[str | int]:
    """Texts and numbers that the file compares or looks up something with: a late value might be one of them."""
    asked = (node for node in ast.walk(source.tree) for operand in _operands(node) for node in ast.walk(operand))
    constants = (node.value for node in asked if isinstance(node, ast.Constant))
    return {value for value in constants if isinstance(value, str | int) and not isinstance(value, bool)}


def _operands(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.Compare():
            return [node.left, *node.comparators]
        case ast.Subscript(_, ast.Constant() as key):
            return [key]
        case ast.Call(ast.Attribute(_, method), arguments) if method not in _MAKING:
            return [argument for argument in arguments if isinstance(argument, ast.Constant)]
    return []


def _unknown_arguments(source: Source) -> Iterator[Fault]:
    own = {node.name for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(source.tree):
        match node:
            case ast.Call(ast.Name(name), _, keywords) if name in words() and name not in own:
                for keyword in keywords:
                    if keyword.arg and keyword.arg not in words()[name].names:
                        message = unknown_argument(words()[name], keyword.arg)
                        yield _fault(source, source.keyword_span(keyword), message)


def _late_conditions(source: Source) -> Iterator[Fault]:
    late = {name for statement in source.tree.body for name in _bound_to_param(statement)}
    for node in _within_scope(source.tree, late):
        for asked in _asked(node):
            if _is_param(asked) or (isinstance(asked, ast.Name) and asked.id in late):
                yield _fault(source, source.span(asked), CONDITION)


def _within_scope(tree: ast.AST, late: set[str]) -> Iterator[ast.AST]:
    """All nodes but those of functions that give one of the names a meaning of their own."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.Lambda) and _own_names(node) & late:
            continue
        yield node
        yield from _within_scope(node, late)


def _own_names(function: ast.FunctionDef | ast.Lambda) -> set[str]:
    arguments = function.args
    given = {argument.arg for argument in (*arguments.args, *arguments.kwonlyargs, *arguments.posonlyargs)}
    stored = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return given | stored


def _bound_to_param(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.Assign) and _is_param(statement.value):
        yield from (target.id for target in statement.targets if isinstance(target, ast.Name))


def _is_param(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "param"


def _asked(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.Compare():
            return [node.left, *node.comparators]
        case ast.If() | ast.IfExp():
            return [node.test]
        case ast.BoolOp():
            return node.values
        case ast.UnaryOp(ast.Not(), operand):
            return [operand]
        case ast.comprehension():
            return node.ifs
    return []


def _fault(source: Source, span: Span, message: str) -> Fault:
    return Fault(message, source.path, span.line, span.column, span.end)
