"""Expressions of Python, taken apart. The text is hostile: it is parsed, never run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from subcritical.gateway.content.names import Names, folded

BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""Fields of a statement that hold statements."""
_CONVERSIONS = frozenset({"int", "float", "min", "max", "abs", "round", "str", "timedelta", "dict", "list", "tuple"})
_ARITHMETIC = (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Tuple, ast.List, ast.Dict, ast.Set)
_NOTHING = (ast.Constant, ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)


def parts(node: ast.AST) -> list[ast.AST]:
    """The direct parts of a node that belong to its head."""
    parts: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, ast.AST):
            parts.append(value)
        elif isinstance(value, list) and name not in BLOCKS:
            parts += [item for item in value if isinstance(item, ast.AST)]
    return parts


def walk(nodes: list[ast.AST]) -> Iterator[ast.AST]:
    """Nodes and everything below them, a node before what is in it."""
    stack = nodes
    while stack:
        node = stack.pop()
        yield node
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                if value._fields:
                    stack.append(value)
            elif isinstance(value, list):
                stack += [item for item in value if isinstance(item, ast.AST)]


def names_in(node: ast.AST) -> Names:
    """Names and attributes that an expression reads; of Python's own modules their names alone."""
    names: set[str] = set()
    for found in walk([node]):
        if isinstance(found, ast.Name):
            names.add(folded(found.id))
        elif isinstance(found, ast.Attribute) and root_of(found) not in sys.stdlib_module_names:
            names.add(folded(found.attr))
    return frozenset(names)


def root_of(node: ast.AST) -> str:
    """The name that a chain of attributes, calls and places begins with, folded; else nothing."""
    while not isinstance(node, ast.Name):
        inner = getattr(node, "value", None) or getattr(node, "func", None)
        if not isinstance(inner, ast.AST):
            return ""
        node = inner
    return folded(node.id)


class Made:
    """What a value is made of by arithmetic, comparison, containers and conversions.

    Attributes:
        names: Names, and last names of attributes, that it is made of.
        whole: Whether there is nothing else in it but constants.
    """

    def __init__(self, value: ast.AST | None) -> None:
        """Take a value apart."""
        self.names: set[str] = set()
        self.whole = value is not None
        stack = [] if value is None else [value]
        while stack:
            node = stack.pop()
            if isinstance(node, ast.Name | ast.Attribute):
                self.names.add(last_name(node))
            elif isinstance(node, _ARITHMETIC):
                stack += parts(node)
            elif isinstance(node, ast.Call) and last_name(node.func) in _CONVERSIONS:
                stack += [*node.args, *(word.value for word in node.keywords)]
            elif not isinstance(node, _NOTHING):
                self.whole = False


def last_name(node: ast.AST) -> str:
    """The name, or that of the attribute, folded; else nothing."""
    if isinstance(node, ast.Name):
        return folded(node.id)
    return folded(node.attr) if isinstance(node, ast.Attribute) else ""


def constant_text(node: ast.AST) -> str:
    """The text that an expression of string constants is, put together; else nothing."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bytes):
            return node.value.decode("latin-1")
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left = constant_text(node.left)
        right = constant_text(node.right) if left else ""
        return left + right if right else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(constant_text(part) for part in node.values)
    return ""
