"""Texts that stand for paths and words, and the pieces of functions that they come from."""

from __future__ import annotations

import ast
import posixpath

from subcritical.loop.doctor._index import Function, Module

MAX_VALUES = 6


def argument_for(function: ast.AST, name: str, call: ast.Call) -> ast.expr | None:
    """The argument of `call` that becomes parameter `name` of `function`."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    arguments = getattr(function, "args", None)
    if not isinstance(arguments, ast.arguments):
        return None
    names = [a.arg for a in [*arguments.posonlyargs, *arguments.args]]
    if names[:1] in (["self"], ["cls"]):
        names = names[1:]
    if name not in names:
        return None
    position = names.index(name)
    before = call.args[: position + 1]
    if position >= len(call.args) or any(isinstance(a, ast.Starred) for a in before):
        return None
    return call.args[position]


def properties(name: str, module: Module) -> list[Function]:
    """Methods of that name that are read like a field."""
    return [
        f
        for f in module.functions.get(name, [])
        if any(ast.unparse(d).rpartition(".")[2] in {"property", "cached_property"} for d in f.decorator_list)
    ]


def join(left: tuple[str, ...], right: tuple[str, ...]) -> list[str]:
    """Every path of `left` joined with every path of `right`; an absolute right side wins."""
    return [b if b.startswith(("/", "@/")) else posixpath.join(a, b) for a in left for b in right][:MAX_VALUES]


def parent(text: str) -> str:
    """The directory of a path; of an unknown, the unknown directory above it."""
    if "/" not in text:
        return f"{text}/.." if text.startswith("<") else "."
    return posixpath.dirname(text)


def token(kind: str, module: Module, what: str) -> str:
    """A text for an unknown; it holds no slash, so that it is one part of a path."""
    plain = "".join(
        "|" if c == "/" else "_" if c.isspace() or c in "'\"\\<>" else c for c in f"{module.path}:{what[:60]}"
    )
    return f"<{kind}:{plain}>"


def value_token(node: ast.expr, module: Module) -> str:
    return token("value", module, ast.unparse(node))


def up(text: str, levels: int) -> str:
    for _ in range(min(levels, 20)):
        text = parent(text)
    return text


def fill(text: str) -> str:
    parts = text.split("{")
    return parts[0] + "".join("*" + part.partition("}")[2] for part in parts[1:])


def positionals(words: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    plain: list[tuple[str, ...]] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word and word[0].startswith("-"):
            skip = "=" not in word[0]
        else:
            plain.append(word)
    return plain
