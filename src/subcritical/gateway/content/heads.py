"""What two statements that do the same have in common: heads, what encloses them, what they lead to."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import lru_cache

from subcritical.gateway.content.expressions import BLOCKS, last_name, parts, walk

LEAVES = (ast.Return, ast.Raise, ast.Break, ast.Continue)
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_ENDS = frozenset({"exit", "_exit", "abort", "kill", "terminate", "stop", "quit"})
_SHORT = 3


@lru_cache(maxsize=1024)
def around(node: ast.AST | str) -> str:
    """What a head says about the statements below it. The name of a function or class is in their scope already."""
    if isinstance(node, str):
        return node
    if isinstance(node, ast.Try):
        caught = (ast.dump(handler.type) if handler.type else "all" for handler in node.handlers)
        left = (ast.dump(inner) for handler in node.handlers for inner in handler.body if isinstance(inner, LEAVES))
        return " ".join(["Try", *caught, *left])
    if isinstance(node, (*FUNCTION, ast.ClassDef)):
        return " ".join(ast.dump(decorator) for decorator in node.decorator_list)
    return head(node)


def blocks(node: ast.AST) -> Iterator[tuple[str, Sequence[ast.AST]]]:
    """The blocks below a head, by name. Handlers and cases are heads of their own."""
    for name in BLOCKS:
        block = getattr(node, name, None)
        if isinstance(block, list) and block:
            yield name, block


def ends(node: ast.AST) -> bool:
    """Whether it is a call that ends the program."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and last_name(node.value.func) in _ENDS


def consequences(node: ast.AST) -> Iterator[str]:
    """What a decision leads to: short blocks whole, of longer ones what leaves them."""
    if isinstance(node, FUNCTION) and any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in walk([*node.body])):
        yield "generator"
    for name in ("body", "orelse") if isinstance(node, ast.If) else ():
        block = getattr(node, name)
        short = len(block) <= _SHORT and not any(True for inner in block for _ in blocks(inner))
        yield " ".join(
            [name, *(ast.dump(inner) for inner in block if short or isinstance(inner, LEAVES) or ends(inner))]
        )


def head(node: ast.AST) -> str:
    """A head as text: its kind, the words in it, its parts."""
    words: list[str] = [type(node).__name__]
    for name, value in ast.iter_fields(node):
        said = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        words += [f"{name}={word}" for word in said if isinstance(word, str)]
    return " ".join([*words, *map(ast.dump, parts(node))])
