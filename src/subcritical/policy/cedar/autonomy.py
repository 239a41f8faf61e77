"""The policy that reads a gate's verdict: no ALLOW, no autonomy."""

from __future__ import annotations

import functools

import msgspec

from subcritical.policy.cedar.engine import CedarPolicy, Request, shipped
from subcritical.policy.cedar.prove import Claim, Invariant, prove

CLAIMS = (
    Claim("verdict-allows", '(= context.verdict "ALLOW")'),
    Claim("level-covered", "(<= context.autonomy context.verdict_autonomy)"),
    Claim("same-bytes", "(= context.verdict_subject resource.digest)"),
    Claim("not-expired", "(<= context.day context.verdict_expires)"),
)
"""What must hold of every allowed request."""


class AutonomyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the policy may look at. Days are counted from year 1."""

    autonomy: int
    digest: str
    day: int
    verdict: str
    verdict_autonomy: int
    verdict_subject: str
    verdict_expires: int

    def asked(self) -> Request:
        """The question to the engine."""
        values = {f"context.{name}": getattr(self, name) for name in self.__struct_fields__ if name != "digest"}
        values["resource.digest"] = self.digest
        return Request(principal="Supervisor", action="run_at_autonomy", resource="System", values=values)


def autonomy_policy() -> str:
    """The shipped policy."""
    return shipped("autonomy.cedar")


def permits(request: AutonomyRequest, policy: str | None = None) -> bool:
    """Whether the policy allows a request; an error of the engine denies.

    Args:
        request: Any.
        policy: Cedar text; the shipped one by default.

    Raises:
        InputError: The policy does not fit the schema.
    """
    return _ready(policy or autonomy_policy()).decide(request.asked()).allowed


def prove_autonomy(policy: str | None = None) -> tuple[Invariant, ...]:
    """Prove or refute that what a policy allows, a gate's ALLOW covers: for these bytes, this level, this day.

    Args:
        policy: Cedar text; the shipped one by default.

    Raises:
        InputError: The policy fails strict validation, or no solver is installed (extra `prove`).
    """
    return prove(_ready(policy or autonomy_policy()), CLAIMS)


@functools.lru_cache(maxsize=8)
def _ready(policy: str) -> CedarPolicy:
    return CedarPolicy(policy, shipped("autonomy.schema.json"))
