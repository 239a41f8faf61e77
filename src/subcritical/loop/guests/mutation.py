"""Blind edits of any text: programs by syntax tree, JSON by value, other text by line.

What a file is called plays no part; its content alone says how it can be edited. Stand-alone: it
runs inside the sandbox and imports the standard library and numpy alone.

A program is edited where it stands (only the bytes of the chosen node change), so that comments
survive and the difference a person reads is the mutation and nothing else.
"""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Spans = Sequence[tuple[ast.stmt, ast.stmt]]
Leaf = tuple[tuple[str | int, ...], Any]

_FACTORS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
_ARITHMETIC: tuple[type[ast.operator], ...] = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)
_COMPARISON: tuple[type[ast.cmpop], ...] = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_ATOMS = (ast.Name, ast.Call, ast.Attribute, ast.Subscript, ast.List, ast.Dict, ast.Set, ast.ListComp, ast.JoinedStr)


def mutate(text: str, donor: str, rng: np.random.Generator) -> tuple[str, str] | None:
    """One random edit of `text`, or None where the dice found nothing to edit this time.

    Args:
        text: The content to edit, of any kind.
        donor: Other content, from which crossover may take a piece.
        rng: The dice.

    Returns:
        The new content and a word for what was done. Programs that parsed still compile.
    """
    data = _as_json(text)
    if data is not None:
        return _mutate_json(text, data, rng)
    tree = _as_program(text)
    if tree is not None:
        return _mutate_program(text, tree, donor, rng)
    return _mutate_lines(text, rng)


def changed_number(value: float, rng: np.random.Generator) -> float | int:
    """A number near or far from `value`: mostly scaled, sometimes negated, zeroed or moved by one.

    Whole numbers stay whole, and always change.
    """
    dice = rng.random()
    if dice < 0.08:  # noqa: PLR2004 -- shares of the operators, not quantities
        return -value if value else 1
    if dice < 0.14:  # noqa: PLR2004
        return 0 if value else 1
    if dice < 0.3 or not value:  # noqa: PLR2004
        return value + (1 if rng.random() < 0.5 else -1)  # noqa: PLR2004
    factor = float(rng.choice(_FACTORS))
    scaled = value * factor if rng.random() < 0.5 else value / factor  # noqa: PLR2004
    if isinstance(value, int):
        whole = round(scaled)
        return whole if whole != value else value + (1 if factor > 1 else -1)
    return scaled if math.isfinite(scaled) else value / 2


# --- JSON ---------------------------------------------------------------------------------------


def json_leaves(data: Any) -> list[Leaf]:
    """Every number, boolean and string of a JSON value with the way to it."""
    found: list[Leaf] = []
    waiting: list[Leaf] = [((), data)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(((*path, key), child) for key, child in value.items())
        elif isinstance(value, list):
            waiting.extend(((*path, index), child) for index, child in enumerate(value))
        elif value is not None:
            found.append((path, value))
    return sorted(found, key=lambda leaf: str(leaf[0]))


def with_leaf(data: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """A copy of a JSON value in which one leaf is replaced."""
    if not path:
        return value
    if isinstance(data, dict):
        return {key: with_leaf(child, path[1:], value) if key == path[0] else child for key, child in data.items()}
    return [with_leaf(child, path[1:], value) if index == path[0] else child for index, child in enumerate(data)]


def _as_json(text: str) -> Any | None:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, (dict, list)) else None


def _mutate_json(text: str, data: Any, rng: np.random.Generator) -> tuple[str, str] | None:
    leaves = json_leaves(data)
    if not leaves:
        return None
    path, value = leaves[rng.integers(len(leaves))]
    if isinstance(value, bool):
        changed: Any = not value
    elif isinstance(value, (int, float)):
        changed = changed_number(value, rng)
    else:
        strings = sorted({str(other) for _, other in leaves if isinstance(other, str)})
        changed = strings[rng.integers(len(strings))]
    layout = 2 if "\n" in text.strip() else None
    return json.dumps(with_leaf(data, path, changed), indent=layout) + "\n", f"value {'/'.join(map(str, path))}"


# --- any other text -----------------------------------------------------------------------------


def _mutate_lines(text: str, rng: np.random.Generator) -> tuple[str, str] | None:
    lines = text.splitlines(keepends=True)
    if len(lines) < 2:  # noqa: PLR2004 -- nothing to exchange
        return None
    first, second = (int(i) for i in rng.choice(len(lines), size=2, replace=False))
    action = rng.integers(3)
    if action == 0:
        lines[first], lines[second] = lines[second], lines[first]
    elif action == 1:
        lines.insert(second, lines[first])
    else:
        del lines[first]
    return "".join(lines), ("lines swapped", "line copied", "line deleted")[action]


# --- programs -----------------------------------------------------------------------------------


class _Source:
    """A program with its tree, editable by the byte spans of its nodes."""

    def __init__(self, text: str, tree: ast.Module) -> None:
        self.data = text.encode()
        self.tree = tree
        self._starts = [0]
        for line in self.data.split(b"\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return self._starts[node.lineno - 1] + node.col_offset, self._starts[end_line - 1] + end_column

    def piece(self, node: ast.expr | ast.stmt) -> bytes:
        start, end = self.span(node)
        return self.data[start:end]

    def put(self, *edits: tuple[ast.expr | ast.stmt, bytes]) -> str:
        """The text with each node's bytes replaced. The nodes may not overlap."""
        data = self.data
        for node, new in sorted(edits, key=lambda edit: -self.span(edit[0])[0]):
            start, end = self.span(node)
            data = data[:start] + new + data[end:]
        return data.decode()

    def expressions(self) -> list[ast.expr]:
        """Expressions that are read (not assigned to), outside f-strings and bare strings."""
        hidden: set[int] = set()
        for node in ast.walk(self.tree):
            bare = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if isinstance(node, ast.JoinedStr) or bare:  # Spans inside f-strings are unreliable before 3.12.
                hidden.update(id(inner) for inner in ast.walk(node))
            for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
                if annotation is not None:
                    hidden.update(id(inner) for inner in ast.walk(annotation))
        return [
            node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.expr)
            and id(node) not in hidden
            and not isinstance(node, (ast.Slice, ast.Starred))
            and isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
        ]

    def blocks(self) -> list[list[ast.stmt]]:
        """Every list of statements of the program."""
        found = []
        for node in ast.walk(self.tree):
            for field in ("body", "orelse", "finalbody"):
                block = getattr(node, field, None)
                if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                    found.append(block)
        return found


def _as_program(text: str) -> ast.Module | None:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    prose = all(isinstance(node, ast.Expr) and isinstance(node.value, (ast.Name, ast.Constant)) for node in tree.body)
    return None if prose else tree


def _mutate_program(text: str, tree: ast.Module, donor: str, rng: np.random.Generator) -> tuple[str, str] | None:
    source = _Source(text, tree)
    name, operator = _OPERATORS[int(rng.choice(len(_OPERATORS), p=_SHARES))]
    changed = operator(source, donor, rng)
    if changed is None or changed == text or not compiles(changed):
        return None
    return changed, name


def compiles(text: str) -> bool:
    """Whether Python would accept the text as a program."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # A silly program is a program.
            compile(text, "candidate", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _one(items: Sequence[Any], rng: np.random.Generator) -> Any | None:
    return items[int(rng.integers(len(items)))] if items else None


def _written(node: ast.expr) -> bytes:
    text = ast.unparse(node)
    simple = isinstance(node, _ATOMS) or (isinstance(node, ast.Constant) and not text.startswith("-"))
    return (text if simple else f"({text})").encode()


def _constant(source: _Source, _donor: str, rng: np.random.Generator) -> str | None:
    constants = [n for n in source.expressions() if isinstance(n, ast.Constant) and n.value not in (None, ...)]
    node = _one(constants, rng)
    if node is None:
        return None
    value = node.value
    if isinstance(value, bool):
        changed: Any = not value
    elif isinstance(value, (int, float)):
        changed = changed_number(value, rng)
    else:
        changed = _one([n.value for n in constants if type(n.value) is type(value)], rng)
    return source.put((node, _written(ast.Constant(changed))))


def _operator(source: _Source, _donor: str, rng: np.random.Generator) -> str | None:
    node = _one([n for n in source.expressions() if isinstance(n, (ast.BinOp, ast.Compare, ast.BoolOp))], rng)
    if isinstance(node, ast.BinOp):
        symbols = [s for s in _ARITHMETIC if not isinstance(node.op, s)]
        new: ast.expr = ast.BinOp(node.left, symbols[rng.integers(len(symbols))](), node.right)
    elif isinstance(node, ast.Compare):
        place = int(rng.integers(len(node.ops)))
        symbols_c = [s for s in _COMPARISON if not isinstance(node.ops[place], s)]
        operators = [*node.ops]
        operators[place] = symbols_c[rng.integers(len(symbols_c))]()
        new = ast.Compare(node.left, operators, node.comparators)
    elif isinstance(node, ast.BoolOp):
        new = ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    else:
        return None
    return source.put((node, _written(new)))


def _expression(source: _Source, donor: str, rng: np.random.Generator) -> str | None:
    """Crossover: an expression makes room for one of the donor, which may be the program itself."""
    tree = _as_program(donor)
    giver = source if tree is None or _as_json(donor) is not None else _Source(donor, tree)
    node, new = _one(source.expressions(), rng), _one(giver.expressions(), rng)
    return None if node is None or new is None else source.put((node, _written(new)))


def _shortened(source: _Source, _donor: str, rng: np.random.Generator) -> str | None:
    """An expression makes room for one of its own parts."""
    node = _one([n for n in source.expressions() if isinstance(n, (ast.BinOp, ast.UnaryOp, ast.Call))], rng)
    if node is None:
        return None
    parts = [n for n in ast.iter_child_nodes(node) if isinstance(n, ast.expr) and not isinstance(n, ast.Starred)]
    part = _one(parts, rng)
    return None if part is None else source.put((node, _written(part)))


def _plain_blocks(source: _Source) -> list[list[ast.stmt]]:
    return [[s for s in block if not getattr(s, "decorator_list", None)] for block in source.blocks()]


def _statement(source: _Source, _donor: str, rng: np.random.Generator) -> str | None:
    block = _one([b for b in _plain_blocks(source) if b], rng)
    if block is None:
        return None
    node = block[rng.integers(len(block))]
    action = rng.integers(3)
    if action == 0:
        return source.put((node, b"pass"))
    piece = source.piece(node)
    if action == 1:
        indent = b" " * node.col_offset
        return source.put((node, piece + b"\n" + indent + piece))
    other = block[rng.integers(len(block))]
    return None if other is node else source.put((node, source.piece(other)), (other, piece))


def _statement_crossover(source: _Source, donor: str, rng: np.random.Generator) -> str | None:
    tree = _as_program(donor)
    giver = source if tree is None or _as_json(donor) is not None else _Source(donor, tree)
    block = _one([b for b in _plain_blocks(source) if b], rng)
    given = _one([s for b in giver.blocks() for s in b], rng)
    if block is None or given is None:
        return None
    node = block[rng.integers(len(block))]
    indent = " " * node.col_offset
    text = re.sub(r"\n(?=[^\n])", "\n" + indent, ast.unparse(given))
    return source.put((node, text.encode() + b"\n" + indent.encode() + source.piece(node)))


_Operator = Callable[[_Source, str, np.random.Generator], str | None]
_OPERATORS: tuple[tuple[str, _Operator], ...] = (
    ("constant", _constant),
    ("operator", _operator),
    ("crossover of expressions", _expression),
    ("shortening", _shortened),
    ("statement", _statement),
    ("crossover of statements", _statement_crossover),
)
_SHARES = (0.5, 0.15, 0.12, 0.08, 0.1, 0.05)
