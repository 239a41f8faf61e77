"""Cedar policies, parsed once and decided by the Cedar engine."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any

import cedarpy
import msgspec

from subcritical.errors import InputError

Scalar = str | int | bool


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One question to a policy.

    Attributes:
        principal, resource: Their types.
        action: Its name.
        values: Every attribute of the principal and the resource and every field of the context, by its path, such as
            `context.approvals`.
    """

    principal: str
    action: str
    resource: str
    values: dict[str, Scalar]


class Answer(msgspec.Struct, frozen=True):
    """What the engine said, by which rules (their `@id`, else their place), and where rules erred."""

    allowed: bool
    rules: tuple[str, ...]
    errors: tuple[str, ...]


class CedarPolicy:
    """A policy that passed strict validation against its schema.

    Args:
        text: Cedar.
        schema: Cedar schema in JSON.

    Raises:
        InputError: The policy does not fit the schema: it could err, and Cedar skips a rule that errs.
    """

    def __init__(self, text: str, schema: str) -> None:
        """Validate and parse."""
        try:
            found = cedarpy.validate_policies(text, schema)
            if not found.validation_passed:
                problems = "; ".join(str(error) for error in getattr(found, "errors", []))
                raise InputError(
                    f"policy: it does not fit its schema: {problems[:500]}; mend it, or begin with the shipped text"
                )
            self.parsed: dict[str, Any] = json.loads(cedarpy.policies_to_json_str(text))
            self._rules = cedarpy.PolicySet.from_str(text)
            self._schema = cedarpy.Schema.from_json_str(schema)
        except ValueError as error:
            raise InputError(f"policy: {str(error)[:500]}; mend it, or begin with the shipped text") from error
        self.schema: dict[str, Any] = json.loads(schema)[""]
        self._entities = functools.lru_cache(maxsize=256)(self._parsed_entities)
        static = self.parsed["staticPolicies"]
        self._names = {key: (rule.get("annotations") or {}).get("id", key) for key, rule in static.items()}

    def decide(self, request: Request) -> Answer:
        """Ask the engine. An error in any rule denies."""
        context: dict[str, Scalar] = {}
        attributes: list[tuple[str, type, Scalar]] = []  # with the type: 1 and True are one key otherwise
        for path, value in request.values.items():
            owner, _, name = path.partition(".")
            if owner == "context":
                context[name] = value
            else:
                attributes.append((path, type(value), value))
        asked = {
            "principal": {"type": request.principal, "id": "principal"},
            "action": {"type": "Action", "id": request.action},
            "resource": {"type": request.resource, "id": "resource"},
            "context": context,
        }
        entities = self._entities(request.principal, request.resource, tuple(attributes))
        result = cedarpy.is_authorized(asked, self._rules, entities, self._schema)
        errors = tuple(str(error) for error in result.diagnostics.errors)
        rules = tuple(sorted(self._names.get(key, key) for key in result.diagnostics.reasons))
        return Answer(bool(result.allowed) and not errors, rules, errors)

    def _parsed_entities(self, principal: str, resource: str, attributes: tuple[tuple[str, type, Scalar], ...]) -> Any:
        """Principal and resource, checked against the schema; there are few, and they cost as much as a decision."""
        parts: dict[str, dict[str, Scalar]] = {"principal": {}, "resource": {}}
        for path, _, value in attributes:
            owner, _, name = path.partition(".")
            parts[owner][name] = value
        entities = [
            {"uid": {"type": kind, "id": part}, "attrs": parts[part], "parents": []}
            for part, kind in (("principal", principal), ("resource", resource))
        ]
        return cedarpy.Entities.from_json_str(json.dumps(entities), self._schema)


def shipped(name: str) -> str:
    """The text of a policy or schema that comes with the product."""
    return (resources.files(__package__) / name).read_text(encoding="utf-8")
