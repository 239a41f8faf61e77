"""The policy of changes: which artifact may change at whose request, with how many approvals."""

from __future__ import annotations

import functools
from typing import Literal

import msgspec

from subcritical.policy.cedar.engine import Answer, CedarPolicy, Request, shipped
from subcritical.policy.cedar.prove import Claim, Invariant, no_looser, prove
from subcritical.schema import PROTECTED, Artifact

DEFINING = frozenset({Artifact.ARCHITECTURE, Artifact.CONSTITUTION, Artifact.OBJECTIVE, Artifact.WEIGHTS})
"""What a system is for, and what it is."""


def _one_of(artifacts: frozenset[Artifact]) -> str:
    named = " ".join(f'(= resource.artifact "{name}")' for name in sorted(artifacts))
    return f"(or {named})"


_APPLY = "apply_change"
_TIGHTENED = '(and (= resource.artifact "limit") (= context.effect "tightens"))'
CLAIMS = (
    Claim(
        "protected-quorum", f"(or {_TIGHTENED} (>= context.approvals 2))", about=_one_of(PROTECTED), actions=(_APPLY,)
    ),
    Claim("defining-quorum", "(>= context.approvals 1)", about=_one_of(DEFINING), actions=(_APPLY,)),
    Claim(
        "override-expires",
        "(and (> context.override_s 0) (<= context.override_s 86400))",
        about=f"(and {_one_of(DEFINING)} (< context.approvals 2))",
        actions=(_APPLY,),
    ),
    Claim("requester-never-approves", "(not context.requester_approved)", actions=(_APPLY,)),
    Claim("agents-never-protected", f"(not {_one_of(PROTECTED)})", principals=("Agent",), actions=(_APPLY,)),
    Claim(
        "agents-never-override",
        f"(=> {_one_of(DEFINING)} (>= context.approvals 2))",
        principals=("Agent",),
        actions=(_APPLY,),
    ),
    Claim("quarantined-denied", "(not resource.quarantined)", actions=(_APPLY,)),
    Claim("unlisted-denied", '(not (= resource.artifact "unlisted"))', actions=(_APPLY,)),
    Claim("people-go-back", "true", always=True, principals=("Person",), actions=("roll_back",)),
)
"""What must hold of the policy of changes, whatever its text."""


class ChangeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One artifact that somebody wants to change.

    Attributes:
        by: Who asks: a system, or a person.
        approvals: Distinct owners of valid approvals, the requester's owner left out.
        requester_approved: Whether the requester or its owner is among those who approved.
        effect: Whether a limit gets stricter; `unknown` where it cannot be told.
        override_s: Seconds that an override still has; 0 where there is none.
    """

    by: Literal["Agent", "Person"]
    artifact: Artifact
    quarantined: bool = False
    approvals: int = 0
    requester_approved: bool = False
    effect: Literal["tightens", "loosens", "unknown"] = "unknown"
    override_s: int = 0

    def asked(self) -> Request:
        """The question to the engine."""
        return Request(
            principal=self.by,
            action=_APPLY,
            resource="Artifact",
            values={
                "resource.artifact": str(self.artifact),
                "resource.quarantined": self.quarantined,
                "context.approvals": self.approvals,
                "context.requester_approved": self.requester_approved,
                "context.effect": self.effect,
                "context.override_s": self.override_s,
            },
        )


def change_policy() -> str:
    """The shipped policy."""
    return shipped("changes.cedar")


@functools.lru_cache(maxsize=256)
def decide_change(request: ChangeRequest, policy: str | None = None) -> Answer:
    """Whether the policy lets a change through, and which rules said so; no rule and no permission is a denial.

    Raises:
        InputError: The policy does not fit the schema.
    """
    return changes(policy or change_policy()).decide(request.asked())


def prove_changes(policy: str | None = None, *, against: str | None = None) -> tuple[Invariant, ...]:
    """Prove or refute the claims about the policy of changes.

    Args:
        policy: Cedar text; the shipped one by default.
        against: An earlier policy, which the new one must not be looser than.

    Raises:
        InputError: A policy fails strict validation, or no solver is installed (extra `prove`).
    """
    new = changes(policy or change_policy())
    found = prove(new, CLAIMS)
    return found if against is None else (*found, no_looser(new, changes(against)))


@functools.lru_cache(maxsize=8)
def changes(policy: str) -> CedarPolicy:
    """A policy of changes, parsed once."""
    return CedarPolicy(policy, shipped("changes.schema.json"))
