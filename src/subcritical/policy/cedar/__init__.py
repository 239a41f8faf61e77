"""Cedar policies that the real engine decides and two solvers prove: of autonomy, and of changes."""

from subcritical.policy.cedar.autonomy import AutonomyRequest, autonomy_policy, permits, prove_autonomy
from subcritical.policy.cedar.changes import (
    DEFINING,
    ChangeRequest,
    change_policy,
    changes,
    decide_change,
    prove_changes,
)
from subcritical.policy.cedar.engine import Answer, CedarPolicy, Request
from subcritical.policy.cedar.prove import Claim, Invariant, no_looser, prove

__all__ = [
    "DEFINING",
    "Answer",
    "AutonomyRequest",
    "CedarPolicy",
    "ChangeRequest",
    "Claim",
    "Invariant",
    "Request",
    "autonomy_policy",
    "change_policy",
    "changes",
    "decide_change",
    "no_looser",
    "permits",
    "prove",
    "prove_autonomy",
    "prove_changes",
]
