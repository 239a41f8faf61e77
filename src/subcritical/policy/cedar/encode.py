"""A Cedar policy as a formula, one for each request environment (action, type of principal, type of resource).

The fragment: literals, comparisons, and/or/not/if, `is`, and a literal set that contains a term, over the required
String, Long and Boolean attributes of the schema. None of these can err, so Cedar's skipping of a rule that errs does
not arise (strict validation comes first). Everything else raises `UnsupportedError`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

_LONG = 2**63
_SORTS = {"String": "String", "Long": "Int", "Boolean": "Bool"}
_WORDS = {"==": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "&&": "and", "||": "or"}


class UnsupportedError(Exception):
    """Something outside the fragment."""


class Environment(msgspec.Struct, frozen=True):
    """One kind of request, and the SMT sort of every value it carries."""

    principal: str
    action: str
    resource: str
    sorts: dict[str, str]

    def problem(self, *assertions: str) -> str:
        """SMT-LIB text: declarations, the range of Long, and what is asserted."""
        lines = ["(set-logic ALL)"]
        for name, sort in self.sorts.items():
            lines.append(f"(declare-const {name} {sort})")
            if sort == "Int":
                lines.append(f"(assert (and (<= (- {_LONG}) {name}) (< {name} {_LONG})))")
        return "\n".join([*lines, *(f"(assert {one})" for one in assertions)]) + "\n"


def environments(schema: dict[str, Any]) -> Iterator[Environment]:
    """Every request environment of a schema's one namespace."""
    types = schema["entityTypes"]
    for action, declared in schema["actions"].items():
        applies = declared["appliesTo"]
        for principal in applies["principalTypes"]:
            for resource in applies["resourceTypes"]:
                sorts = {
                    **_sorts("principal", types[principal].get("shape")),
                    **_sorts("resource", types[resource].get("shape")),
                    **_sorts("context", applies.get("context")),
                }
                yield Environment(principal, action, resource, sorts)


def allow(parsed: dict[str, Any], where: Environment) -> str:
    """The condition under which a policy allows: some permit holds and no forbid does.

    Args:
        parsed: The policy in Cedar's JSON.
        where: The environment.

    Raises:
        UnsupportedError: Outside the fragment.
    """
    if parsed.get("templates") or parsed.get("templateLinks"):
        raise UnsupportedError("templates")
    effects: dict[str, list[str]] = {"permit": [], "forbid": []}
    for rule in parsed["staticPolicies"].values():
        effects[rule["effect"]].append(_rule(rule, where))
    return f"(and {_joined('or', effects['permit'])} (not {_joined('or', effects['forbid'])}))"


def _joined(word: str, parts: list[str]) -> str:
    """Parts under and/or, also where there is one or none."""
    return f"({word} {'true' if word == 'and' else 'false'} {' '.join(parts)})"


def _sorts(owner: str, record: dict[str, Any] | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, declared in (record or {}).get("attributes", {}).items():
        if declared["type"] not in _SORTS or not declared.get("required", True):
            raise UnsupportedError(f"{owner}.{name}: only required String, Long and Boolean are encoded")
        found[f"{owner}.{name}"] = _SORTS[declared["type"]]
    return found


def _rule(rule: dict[str, Any], where: Environment) -> str:
    scopes = (
        _scope("principal", rule["principal"], where.principal),
        _scope("resource", rule["resource"], where.resource),
        _action(rule["action"], where.action),
    )
    if not all(scopes):
        return "false"  # Its conditions may name what requests of this kind do not have; they are never looked at.
    parts = []
    for condition in rule["conditions"]:
        body = _expression(condition["body"], where)
        parts.append(body if condition["kind"] == "when" else f"(not {body})")
    return _joined("and", parts)


def _scope(part: str, scope: dict[str, Any], kind: str) -> bool:
    if scope["op"] == "All":
        return True
    if scope["op"] == "is" and set(scope) == {"op", "entity_type"}:
        return bool(scope["entity_type"] == kind)
    raise UnsupportedError(f"{part} scope {str(scope)[:80]}")


def _action(scope: dict[str, Any], name: str) -> bool:
    if scope["op"] == "All":
        return True
    named = [scope["entity"]] if "entity" in scope else scope["entities"]
    if scope["op"] not in ("==", "in"):
        raise UnsupportedError(f"action scope {str(scope)[:80]}")
    return {"type": "Action", "id": name} in named


def _expression(node: Any, where: Environment) -> str:  # noqa: PLR0911 - one return for each form
    if not isinstance(node, dict) or len(node) != 1:
        raise UnsupportedError(str(node)[:80])
    ((operator, inner),) = node.items()
    if operator == "Value":
        return _literal(inner)
    if operator == ".":
        return _attribute(inner, where)
    if operator == "!":
        return f"(not {_expression(inner['arg'], where)})"
    if operator == "is" and "in" not in inner:
        kinds = {"principal": where.principal, "resource": where.resource}
        return _truth(inner["entity_type"] == kinds[_variable(inner)])
    if operator == "if-then-else":
        return f"(ite {' '.join(_expression(inner[part], where) for part in ('if', 'then', 'else'))})"
    if operator == "contains":
        wanted = _expression(inner["right"], where)
        return _joined("or", [f"(= {_expression(one, where)} {wanted})" for one in inner["left"]["Set"]])
    if operator not in ("!=", *_WORDS):
        raise UnsupportedError(operator)
    left, right = _expression(inner["left"], where), _expression(inner["right"], where)
    if operator == "!=":
        return f"(not (= {left} {right}))"
    return f"({_WORDS[operator]} {left} {right})"


def _variable(inner: dict[str, Any]) -> str:
    return str(inner["left"]["Var"])


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return _truth(value)
    if isinstance(value, int):
        return str(value) if value >= 0 else f"(- {-value})"
    # Only plain characters: an escape of one language could mean another text in the other.
    if isinstance(value, str) and value.isascii() and value.isprintable() and not set(value) & set('"\\'):
        return f'"{value}"'
    raise UnsupportedError(f"literal {value!r:.80}")


def _attribute(inner: dict[str, Any], where: Environment) -> str:
    path = f"{_variable(inner)}.{inner['attr']}"
    if path not in where.sorts:
        raise UnsupportedError(f"attribute {path}")
    return path
