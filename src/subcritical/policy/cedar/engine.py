"""Asks the Cedar engine whether a verdict permits an autonomy level."""

from __future__ import annotations

import functools
from importlib import resources

import cedarpy
import msgspec

from subcritical.errors import InputError

SUPERVISOR, SYSTEM = 'Supervisor::"supervisor"', "System"


class AutonomyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the policy may look at. Days are counted from year 1."""

    autonomy: int
    digest: str
    day: int
    verdict: str
    verdict_autonomy: int
    verdict_subject: str
    verdict_expires: int


def autonomy_policy() -> str:
    """The shipped policy."""
    return _text("autonomy.cedar")


def schema() -> str:
    """The schema of its requests."""
    return _text("autonomy.schema.json")


def permits(request: AutonomyRequest, policy: str | None = None) -> bool:
    """Whether the policy allows a request; an error of the engine denies.

    Args:
        request: Any.
        policy: Cedar text; the shipped one by default.

    Raises:
        InputError: The policy does not fit the schema: it could err, and Cedar skips a rule that errs.
    """
    rules, where = _ready(policy or autonomy_policy())
    entity = {"uid": {"__entity": {"type": SYSTEM, "id": "system"}}, "attrs": {"digest": request.digest}, "parents": []}
    context = {name: getattr(request, name) for name in AutonomyRequest.__struct_fields__ if name != "digest"}
    asked = {"principal": SUPERVISOR, "action": 'Action::"run_at_autonomy"', "resource": f'{SYSTEM}::"system"'}
    result = cedarpy.is_authorized({**asked, "context": context}, rules, [entity], where)
    return bool(result.allowed) and not result.diagnostics.errors


def check_policy(policy: str) -> None:
    """Raise InputError unless the policy passes Cedar's strict validation against the schema."""
    _ready(policy)


@functools.lru_cache(maxsize=8)
def _ready(policy: str) -> tuple[cedarpy.PolicySet, cedarpy.Schema]:
    try:
        result = cedarpy.validate_policies(policy, schema())
        problems = [str(error) for error in getattr(result, "errors", [])]
        if not result.validation_passed:
            raise InputError(f"policy: it does not fit its schema: {'; '.join(problems)[:500]}")
        return cedarpy.PolicySet.from_str(policy), cedarpy.Schema.from_json_str(schema())
    except ValueError as error:
        raise InputError(f"policy: {str(error)[:500]}") from error


def _text(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")
